// SPDX-License-Identifier: Apache-2.0
#include "sections.h"

#include <algorithm>
#include <climits>

namespace culvert {
namespace {

using namespace std::chrono_literals;

// Exactly one of the keys of `node` chooses what the section is about.
Field<void> expect_one(const YamlNode &node, const std::string &accepted) {
  if (!node.is_map() || node.children().size() != 1) {
    const std::string found =
        node.is_map() ? std::to_string(node.children().size()) + " keys" : node.describe();
    return refuse(node, "expected a map with one key, not " + found, accepted);
  }
  return {};
}

std::function<Field<void>(const YamlNode &)> later(const std::string &accepted) {
  return [accepted](const YamlNode &node) -> Field<void> {
    return refuse(node, "not available in this version", accepted);
  };
}

// Readers bound to a range, for into().
template <class Unit>
auto duration(std::chrono::nanoseconds min, std::chrono::nanoseconds max) {
  return [=](const YamlNode &node) -> Field<Unit> {
    const auto value = TRY(read_duration(node, {min, max, Unit(1)}));
    return std::chrono::duration_cast<Unit>(value);
  };
}
auto unsigned_integer(std::int64_t min, std::uint32_t max) {
  return [=](const YamlNode &node) -> Field<std::uint32_t> {
    return static_cast<std::uint32_t>(TRY(read_integer(node, min, max)));
  };
}
auto path(std::size_t size_max) {
  return [=](const YamlNode &node) { return read_path(node, size_max); };
}

Field<RecordsChoice> read_records(const YamlNode &node) {
  const std::string choice = TRY(read_choice(node, {"auto", "kernel", "userspace"}));
  if (choice == "kernel") return RecordsChoice::kernel;
  return choice == "userspace" ? RecordsChoice::userspace : RecordsChoice::automatic;
}

Field<std::vector<CipherSuite>> read_cipher_suites(const YamlNode &node) {
  static constexpr std::array all = {CipherSuite::aes_128_gcm_sha256,
                                     CipherSuite::aes_256_gcm_sha384,
                                     CipherSuite::chacha20_poly1305_sha256};
  std::vector<std::string_view> names;
  names.reserve(all.size());
  for (const CipherSuite suite : all)
    names.push_back(name(suite));
  if (!node.is_list() || node.children().empty()) {
    return refuse(
        node, "expected a list with at least one cipher suite",
        std::string(names[0]) + ", " + std::string(names[1]) + ", " + std::string(names[2]));
  }
  std::vector<CipherSuite> suites;
  for (const auto &item : node.children()) {
    const std::string text = TRY(read_choice(*item, names));
    const CipherSuite suite =
        all[static_cast<std::size_t>(std::ranges::find(names, text) - names.begin())];
    if (std::ranges::find(suites, suite) != suites.end()) {
      return refuse(*item, text + " is there twice", "each cipher suite once");
    }
    suites.push_back(suite);
  }
  return suites;
}

Field<void> read_reuse(const YamlNode &node, Config::Tunnel &tunnel) {
  using std::chrono::milliseconds;
  return read_map(node,
                  {{"idleMax", into(tunnel.idle_max, unsigned_integer(0, 100'000))},
                   {"idleTimeout", into(tunnel.idle_timeout, duration<milliseconds>(10ms, 24h))},
                   {"ageMax", into(tunnel.age_max, duration<milliseconds>(10ms, 24h))}});
}

}  // namespace

Field<void> read_resources(const YamlNode &node, Config &config) {
  const std::string accepted = "directory: PATH";
  TRY(expect_one(node, accepted));
  return read_map(node, {{"directory", into(config.resources_directory, path(PATH_MAX - 256))},
                         {"kubernetes", later(accepted)}});
}

Field<void> read_identity(const YamlNode &node, Config &config) {
  const std::string accepted = "authority: {directory: PATH, ttl: 1h}";
  TRY(expect_one(node, accepted));
  const auto read_authority = [&](const YamlNode &section) -> Field<void> {
    auto &authority = config.authority;
    TRY(read_map(section,
                 {{"directory", into(authority.directory, path(PATH_MAX - 256))},
                  {"ttl", into(authority.ttl, duration<std::chrono::seconds>(1s, 8760h))}}));
    if (!authority.directory.empty()) return {};
    return refuse(section, "the key directory is missing", accepted);
  };
  return read_map(
      node,
      {{"authority", read_authority}, {"files", later(accepted)}, {"spiffe", later(accepted)}});
}

Field<void> read_tunnel(const YamlNode &node, Config::Tunnel &tunnel) {
  using std::chrono::milliseconds, std::chrono::seconds;
  // TCP_KEEPIDLE takes at most 32767 s (linux include/net/tcp.h, MAX_TCP_KEEPIDLE)
  return read_map(
      node,
      {{"records", into(tunnel.records, read_records)},
       {"cipherSuites", into(tunnel.cipher_suites, read_cipher_suites)},
       {"handshakeTimeout", into(tunnel.handshake_timeout, duration<milliseconds>(10ms, 10min))},
       {"connectionsMax", into(tunnel.connections_max, unsigned_integer(1, 10'000'000))},
       {"handshakesMax", into(tunnel.handshakes_max, unsigned_integer(1, 1'000'000))},
       {"reuse", [&](const YamlNode &section) { return read_reuse(section, tunnel); }},
       {"resumption", into(tunnel.resumption, read_bool)},
       {"keepalive", into(tunnel.keepalive, duration<seconds>(1s, 32767s))},
       {"keyUpdateRecords", into(tunnel.key_update_records, unsigned_integer(1, 1U << 24))},
       {"drainTimeout", into(tunnel.drain_timeout, duration<seconds>(0s, 1h))}});
}

// As in Istio there is no DISABLE for the whole mesh: that takes an object that says so.
Field<MtlsMode> read_default_mode(const YamlNode &node) {
  const bool strict = TRY(read_choice(node, {"STRICT", "PERMISSIVE"})) == "STRICT";
  return strict ? MtlsMode::strict : MtlsMode::permissive;
}

Field<void> read_metrics(const YamlNode &node, Config &config) {
  return read_map(node, {{"listen", into(config.metrics_listen, read_listen)}});
}

Field<void> read_log(const YamlNode &node, Config::Log &log) {
  const auto level = [](const YamlNode &value) {
    return read_choice(value, {"debug", "info", "warn", "error"});
  };
  const auto json = [](const YamlNode &value) -> Field<bool> {
    return TRY(read_choice(value, {"text", "json"})) == "json";
  };
  return read_map(node, {{"level", into(log.level, level)}, {"format", into(log.json, json)}});
}

}  // namespace culvert
