// SPDX-License-Identifier: Apache-2.0
#include "events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstddef>
#include <iterator>

#include "culvert/abi.h"
#include "culvert/result.h"

namespace culvert {

namespace {

struct EventName {
  const char *name;
  __u64 capture_events::*member;
};
constexpr EventName event_names[] = {
    {"captured", &capture_events::captured},
    {"passed_self", &capture_events::passed_self},
    {"steered", &capture_events::steered},
    {"unbound", &capture_events::unbound},
    {"unannounced", &capture_events::unannounced},
    {"refused_unknown_pod", &capture_events::refused_unknown_pod},
    {"refused_reserved_port", &capture_events::refused_reserved_port},
    {"refused_incomplete", &capture_events::refused_incomplete},
    {"refused_no_storage", &capture_events::refused_no_storage},
    {"refused_device", &capture_events::refused_device},
    {"refused_flows_full", &capture_events::refused_flows_full},
    {"refused_no_daemon", &capture_events::refused_no_daemon},
    {"permitted", &capture_events::permitted},
    {"refused_policy", &capture_events::refused_policy},
    {"refused_no_policy", &capture_events::refused_no_policy},
    {"refused_unannounced", &capture_events::refused_unannounced},
    {"refused_plaintext", &capture_events::refused_plaintext},
    {"passed_clear", &capture_events::passed_clear},
    {"passed_plaintext", &capture_events::passed_plaintext},
    {"passed_probe", &capture_events::passed_probe},
};
static_assert(std::size(event_names) * sizeof(std::uint64_t) == sizeof(capture_events));

}  // namespace

std::vector<std::pair<std::string, std::uint64_t>> read_events(int map_fd) {
  std::vector<std::pair<std::string, std::uint64_t>> named;
  std::vector<capture_events> per_cpu(static_cast<std::size_t>(::libbpf_num_possible_cpus()));
  const std::uint32_t only = 0;
  const int error = ::bpf_map_lookup_elem(map_fd, &only, per_cpu.data());
  ENSURE(error == 0);  // an array's only entry
  for (const EventName &event : event_names) {
    std::uint64_t sum = 0;
    for (const capture_events &counts : per_cpu)
      sum += counts.*event.member;
    named.emplace_back(event.name, sum);
  }
  return named;
}

}  // namespace culvert
