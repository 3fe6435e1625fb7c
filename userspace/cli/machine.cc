// SPDX-License-Identifier: Apache-2.0
// machine.cc: the judgements.
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "check.h"

namespace culvert::cli {
namespace {

// "DEVICE POINT TYPE OPTIONS 0 0": the mount points of `type`, in order.
std::vector<std::string> mounted(std::string_view mounts, std::string_view type) {
  std::vector<std::string> points;
  std::istringstream lines{std::string(mounts)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string device, point, is;
    words >> device >> point >> is;
    if (is == type) points.push_back(point);
  }
  return points;
}

std::string words(int error) { return std::strerror(error); }

constexpr std::string_view need_root =
    "run it as root, or give it CAP_SYS_ADMIN, CAP_BPF and CAP_NET_ADMIN";

}  // namespace

Check judge_kernel(std::string_view release) {
  Check check{.name = "kernel", .text = std::string(release)};
  std::istringstream version(check.text);
  int major = 0, minor = 0;
  char dot = 0;
  if (!(version >> major >> dot >> minor) || dot != '.') {
    check.outcome = Outcome::warning;
    check.next = "the version cannot be read; culvert is tested on 6.1 and newer";
  } else if (std::pair(major, minor) < std::pair(5, 19)) {
    check.outcome = Outcome::failure;
    check.next = "install a kernel of 6.1 or newer (5.19 is the first with io_uring buffer rings)";
  } else if (std::pair(major, minor) < std::pair(6, 1)) {
    check.outcome = Outcome::warning;
    check.next = "culvert is tested on 6.1 and newer: install one of those";
  }
  return check;
}

Check judge_bpf(const BpfFacts &facts) {
  Check check{.name = "bpf"};
  if (facts.error == 0) {
    check.text = "maps, cgroup, sock_ops and sk_lookup programs load";
    return check;
  }
  check.outcome = Outcome::failure;
  check.text = std::string(facts.failed) + ": " + words(facts.error);
  if (facts.error == EPERM || facts.error == EACCES) {
    check.next = std::string(need_root) + "; in a container, allow bpf(2) in its seccomp profile";
  } else {
    check.next = "use a kernel with CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF and CONFIG_INET";
  }
  return check;
}

Check judge_btf(int error) {
  if (error == 0) return {.name = "btf", .text = "/sys/kernel/btf/vmlinux"};
  return {.name = "btf",
          .outcome = Outcome::failure,
          .text = "/sys/kernel/btf/vmlinux: " + words(error),
          .next = "use a kernel with CONFIG_DEBUG_INFO_BTF (Debian's have it)"};
}

Check judge_cgroup2(std::string_view mounts) {
  auto points = mounted(mounts, "cgroup2");
  if (!points.empty()) return {.name = "cgroup2", .text = points.front()};
  return {.name = "cgroup2",
          .outcome = Outcome::failure,
          .text = "not mounted",
          .next = "mount -t cgroup2 none /sys/fs/cgroup/unified (systemd does it by itself)"};
}

Check judge_bpffs(std::string_view mounts) {
  auto points = mounted(mounts, "bpf");
  if (!points.empty()) return {.name = "bpffs", .text = points.front()};
  return {.name = "bpffs",
          .outcome = Outcome::warning,
          .text = "not mounted",
          .next = "culvertd mounts it; to do it at boot: mount -t bpf bpf /sys/fs/bpf"};
}

Check judge_io_uring(const IoUringFacts &facts) {
  Check check{.name = "io_uring", .outcome = Outcome::failure};
  if (facts.error == ENOSYS) {
    check.text = "not in this kernel, or hidden by a seccomp profile";
    check.next = "use a kernel with CONFIG_IO_URING; in a container, allow io_uring_setup(2)";
  } else if (facts.error != 0 && facts.disabled > 0) {
    check.text = "kernel.io_uring_disabled is " + std::to_string(facts.disabled);
    check.next = facts.disabled == 1 ? "run it as root, or: sysctl -w kernel.io_uring_disabled=0"
                                     : "sysctl -w kernel.io_uring_disabled=0";
  } else if (facts.error == ENOMEM) {
    check.text = words(facts.error);
    check.next = "raise RLIMIT_MEMLOCK (ulimit -l, LimitMEMLOCK=)";
  } else if (facts.error != 0) {
    check.text = words(facts.error);
    check.next = "a seccomp profile or a security module forbids io_uring_setup(2): allow it";
  } else if (!facts.buffer_rings) {
    check.text = "no buffer rings";
    check.next = "install a kernel of 6.1 or newer";
  } else if (!facts.task_work) {
    check.outcome = Outcome::warning;
    check.text = "works, without SINGLE_ISSUER and DEFER_TASKRUN";
    check.next = "it is faster on kernels of 6.1 and newer";
  } else {
    check.outcome = Outcome::ok;
    check.text = "works, with buffer rings and DEFER_TASKRUN";
  }
  return check;
}

Check judge_ktls(int error) {
  if (error == 0) return {.name = "ktls", .text = "the kernel takes TLS sockets"};
  return {.name = "ktls",
          .outcome = Outcome::warning,
          .text = error == ENOENT ? "this kernel has no tls module" : words(error),
          .next =
              "nothing must be done: records are then made in user space (tunnel.records). "
              "For the kernel's: modprobe tls"};
}

Check judge_capabilities(std::uint64_t effective) {
  struct Needed {
    unsigned bit;  // linux/capability.h
    std::string_view name, why;
  };
  static constexpr std::array<Needed, 3> needed = {{
      {12, "CAP_NET_ADMIN", "sockets in pods, BPF on cgroups"},
      {21, "CAP_SYS_ADMIN", "entering pods' network namespaces"},
      {39, "CAP_BPF", "loading BPF programs"},
  }};
  Check check{.name = "capabilities", .text = "all that are needed"};
  std::string missing;
  for (const Needed &each : needed) {
    if ((effective >> each.bit & 1) != 0) continue;
    missing +=
        (missing.empty() ? "" : ", ") + std::string(each.name) + " (" + std::string(each.why) + ")";
  }
  if (missing.empty()) return check;
  return {.name = "capabilities",
          .outcome = Outcome::failure,
          .text = "missing: " + missing,
          .next = "run it as root"};
}

Check judge_clock(const ClockFacts &facts) {
  constexpr std::int64_t first_release = 1767225600;  // 2026-01-01T00:00:00Z
  if (facts.unix_seconds < first_release) {
    return {.name = "clock",
            .outcome = Outcome::failure,
            .text = "the clock is before 2026: certificates of other nodes are not yet valid",
            .next = "set the clock (timedatectl, chronyd)"};
  }
  if (facts.synchronised) return {.name = "clock", .text = "synchronised"};
  return {.name = "clock",
          .outcome = Outcome::warning,
          .text = "not known to be synchronised",
          .next =
              "run chronyd or systemd-timesyncd: nodes' clocks may differ by seconds only, "
              "since certificates are short-lived"};
}

Check judge_open_files(std::uint64_t hard_limit) {
  constexpr std::uint64_t wanted =
      200'000 + 10'000;  // connectionsMax of 100000, two each; the rest
  std::string limit = hard_limit > 1'000'000'000 ? "unlimited" : std::to_string(hard_limit);
  Check check{.name = "open files", .text = "limit " + limit};
  if (hard_limit >= wanted) return check;
  check.outcome = Outcome::warning;
  check.text += ": enough for about " + std::to_string(hard_limit / 2) + " connections";
  check.next = "raise RLIMIT_NOFILE to " + std::to_string(wanted) +
               " (LimitNOFILE=) for the default connectionsMax of 100000";
  return check;
}

}  // namespace culvert::cli
