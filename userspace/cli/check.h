// SPDX-License-Identifier: Apache-2.0
// check: can this machine run culvertd? Facts are gathered by trying (probes.h) and judged here, so
// that every judgement can be tested without a machine that has the fault.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client.h"
#include "human.h"
#include "probes.h"

namespace culvert::cli {

enum class Outcome : std::uint8_t { ok, warning, failure };

struct Check {
  std::string name;
  Outcome outcome = Outcome::ok;
  std::string text{};  // what was found
  std::string next{};  // what to do; empty if ok
};

Check judge_kernel(std::string_view release);  // uname -r
Check judge_bpf(const BpfFacts &facts);
Check judge_btf(int error);  // of reading /sys/kernel/btf/vmlinux
Check judge_cgroup2(std::string_view mounts);  // /proc/self/mounts
Check judge_bpffs(std::string_view mounts);
Check judge_io_uring(const IoUringFacts &facts);
Check judge_ktls(int error);  // of TCP_ULP "tls"
Check judge_capabilities(std::uint64_t effective);
Check judge_clock(const ClockFacts &facts);
Check judge_open_files(std::uint64_t hard_limit);

std::vector<Check> check_machine();
bool passed(const std::vector<Check> &checks);  // no failure
std::string render_checks(const std::vector<Check> &checks, const Palette &palette);
Json checks_json(const std::vector<Check> &checks);

}  // namespace culvert::cli
