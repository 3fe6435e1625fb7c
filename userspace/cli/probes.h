// SPDX-License-Identifier: Apache-2.0
// probes: facts about this machine, found by trying what culvertd will do. Nothing they make stays.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace culvert::cli {

struct BpfFacts {
  int error = 0;  // errno of the first that failed; 0: all work
  std::string_view failed{};  // "map", or the program type
};
BpfFacts probe_bpf();

struct IoUringFacts {
  int error = 0;  // errno of io_uring_setup
  int disabled = 0;  // kernel.io_uring_disabled; 0 where there is no such setting
  bool task_work = false;  // SINGLE_ISSUER and DEFER_TASKRUN are taken
  bool buffer_rings = false;
};
IoUringFacts probe_io_uring();

int probe_ktls();  // errno of TCP_ULP "tls" on a loopback connection; the kernel may load the
                   // module

struct ClockFacts {
  std::int64_t unix_seconds = 0;
  bool synchronised = false;  // as the kernel was told by NTP or PTP
};
ClockFacts probe_clock();

int probe_btf();  // errno of opening /sys/kernel/btf/vmlinux
std::uint64_t effective_capabilities();  // CapEff
std::uint64_t open_files_hard_limit();  // RLIM_INFINITY becomes the largest number
std::string read_small_file(const std::string &path);  // empty if it cannot be read

}  // namespace culvert::cli
