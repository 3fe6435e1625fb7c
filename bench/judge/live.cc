// SPDX-License-Identifier: Apache-2.0
#include "live.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace bench {
namespace {

// The daemon's only XDP program. It is pinned nowhere, but the daemon's descriptors tell its
// number.
std::uint32_t probe_of(pid_t daemon) {
  const std::string directory = "/proc/" + std::to_string(daemon) + "/fdinfo";
  std::error_code error;
  for (const auto &entry : std::filesystem::directory_iterator(directory, error)) {
    std::ifstream info(entry.path());
    std::string name;
    std::uint32_t value = 0, id = 0;
    bool is_xdp = false;
    while (info >> name) {
      if (name == "prog_type:" && info >> value) is_xdp = value == BPF_PROG_TYPE_XDP;
      if (name == "prog_id:") info >> id;
    }
    if (is_xdp && id != 0) return id;
  }
  die("process " + std::to_string(daemon) + " holds no XDP program: is it culvertd?");
}

culvert::UniqueFd pinned(const std::string &path) {
  const int fd = ::bpf_obj_get(path.c_str());
  if (fd < 0) die(path, -fd);
  return culvert::UniqueFd(fd);
}

verdict_answer run(int probe, const verdict_question &question, std::uint32_t repeat,
                   std::uint32_t &mean_ns) {
  const verdict_probe asked{question, {}};
  verdict_probe answered{};
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = &asked;
  options.data_size_in = sizeof asked;
  options.data_out = &answered;
  options.data_size_out = sizeof answered;
  options.repeat = static_cast<int>(repeat);
  if (const int error = ::bpf_prog_test_run_opts(probe, &options); error != 0)
    die("run verdict_probe", -error);
  mean_ns = options.duration;
  return answered.answer;
}

}  // namespace

void die(const std::string &what, int error) {
  std::fprintf(stderr, "bench_policy: %s%s%s\n", what.c_str(), error != 0 ? ": " : "",
               error != 0 ? std::strerror(error) : "");
  std::exit(1);
}

Live::Live(pid_t daemon, const std::string &maps, const std::string &ip)
    : daemon_(daemon),
      pods_(pinned(maps + "/pods")),
      identities_(pinned(maps + "/policy_identities")) {
  const int fd = ::bpf_prog_get_fd_by_id(probe_of(daemon));
  if (fd < 0) die("take the daemon's verdict_probe", -fd);
  probe_ = culvert::UniqueFd(fd);
  std::uint8_t address[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (::inet_pton(AF_INET, ip.c_str(), address + 12) != 1) die(ip + " is no IPv4 address");
  std::uint64_t key = 0;
  for (const void *from = nullptr; ::bpf_map_get_next_key(pods_.get(), from, &key) == 0;
       from = &key) {
    pod_entry entry{};
    if (::bpf_map_lookup_elem(pods_.get(), &key, &entry) == 0 &&
        std::ranges::equal(entry.ip4, address))
      cookie_ = key;
  }
  if (cookie_ == 0) die("the daemon knows no pod with the address " + ip);
}

double Live::control_thread_ms() const {
  std::ifstream file("/proc/" + std::to_string(daemon_) + "/schedstat");
  double ns = 0;
  if (!(file >> ns)) die("read the daemon's schedstat", errno);
  return ns / 1e6;
}

std::uint32_t Live::set() const {
  pod_entry entry{};
  if (::bpf_map_lookup_elem(pods_.get(), &cookie_, &entry) != 0) return 0;
  return entry.policy_set;
}

verdict_answer Live::ask(const verdict_question &question) const {
  std::uint32_t mean_ns = 0;
  return run(probe_.get(), question, 1, mean_ns);
}

// The kernel answers in whole nanoseconds; several runs tell more.
double Live::cost_ns(const verdict_question &question, std::uint32_t repeat) const {
  constexpr int runs = 10;
  double sum = 0;
  for (int i = 0; i < runs; ++i) {
    std::uint32_t mean_ns = 0;
    run(probe_.get(), question, repeat / runs, mean_ns);
    sum += mean_ns;
  }
  return sum / runs;
}

std::uint32_t Live::named_identity(std::uint32_t set) const {
  policy_identity_key key{};
  for (const void *from = nullptr; ::bpf_map_get_next_key(identities_.get(), from, &key) == 0;
       from = &key) {
    if (key.set == set) return key.identity;
  }
  die("the pod's policies name no identity");
}

}  // namespace bench
