// SPDX-License-Identifier: Apache-2.0
// config: the daemon's configuration file (docs/configuration.md). Everything is checked when it is
// read: an unknown key, a wrong type or an impossible value is a Problem with file, line, key and
// what is accepted.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "culvert/crypto.h"
#include "culvert/inbound_modes.h"
#include "culvert/result.h"

namespace culvert {

enum class RecordsChoice : std::uint8_t { automatic, kernel, userspace };

struct Config {
  std::string file;
  std::string node;
  std::string trust_domain = "cluster.local";
  std::vector<std::string> trust_domain_aliases;
  std::string root_namespace = "istio-system";
  std::string cgroup;
  std::string bpffs;  // default /sys/fs/bpf/culvert/<node>
  std::string runtime_directory;  // default /run/culvert
  std::string resources_directory;
  struct Authority {
    std::string directory;
    std::chrono::seconds ttl = std::chrono::hours(1);
  } authority;
  struct Tunnel {
    RecordsChoice records = RecordsChoice::automatic;
    std::vector<CipherSuite> cipher_suites = {CipherSuite::aes_128_gcm_sha256,
                                              CipherSuite::aes_256_gcm_sha384,
                                              CipherSuite::chacha20_poly1305_sha256};
    std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);
    std::uint32_t connections_max = 100000;
    std::uint32_t handshakes_max = 8192;  // in progress at once
    std::uint32_t idle_max = 128;  // tunnel.reuse.idleMax, per source pod, destination and port
    std::chrono::milliseconds idle_timeout = std::chrono::seconds(30);
    std::chrono::milliseconds age_max = std::chrono::minutes(10);
    bool resumption = true;
    std::chrono::seconds keepalive = std::chrono::seconds(30);  // idle time before probes; 3 probes
    std::uint64_t key_update_records = 1ULL << 23;  // RFC 8446 5.5 allows 2^24.5 for AES-GCM
    std::chrono::seconds drain_timeout = std::chrono::seconds(20);
  } tunnel;
  MtlsMode default_mode = MtlsMode::permissive;  // where no PeerAuthentication says otherwise
  unsigned data_threads = 0;  // 0: half the cores, at least 1, at most 4 (resolved by load())
  std::string metrics_listen = "127.0.0.1:15020";
  struct Log {
    std::string level = "info";  // debug | info | warn | error
    bool json = false;
  } log;
};

Result<Config, Problem> load_config(const std::string &file);
Result<Config, Problem> parse_config(const std::string &file, const std::string &text);

}  // namespace culvert
