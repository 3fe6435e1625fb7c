// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <cerrno>

#include "cli/check.h"

using namespace culvert::cli;

namespace {

constexpr std::uint64_t every_capability = ~std::uint64_t{0};

// A judgement that is not ok says what to do next.
bool fails(const Check &check) {
  INFO(check.name << ": " << check.text);
  CHECK_FALSE(check.next.empty());
  return check.outcome == Outcome::failure;
}
bool warns(const Check &check) {
  INFO(check.name << ": " << check.text);
  CHECK_FALSE(check.next.empty());
  return check.outcome == Outcome::warning;
}
bool is_ok(const Check &check) {
  INFO(check.name << ": " << check.text);
  CHECK(check.next.empty());
  return check.outcome == Outcome::ok;
}

}  // namespace

TEST_CASE("check kernel: too old fails, untested warns, unreadable warns") {
  CHECK(fails(judge_kernel("4.19.0-27-amd64")));
  CHECK(fails(judge_kernel("5.15.0-generic")));
  CHECK(warns(judge_kernel("5.19.17")));
  CHECK(warns(judge_kernel("next")));
  CHECK(is_ok(judge_kernel("6.1.0-30-cloud-amd64")));
  CHECK(is_ok(judge_kernel("6.12.6")));
  CHECK(is_ok(judge_kernel("7.0")));
}

TEST_CASE("check bpf: no right and no support are told apart") {
  Check forbidden = judge_bpf({EPERM, "map"});
  CHECK(fails(forbidden));
  CHECK(forbidden.next.find("CAP_BPF") != std::string::npos);
  Check absent = judge_bpf({EINVAL, "sk_lookup"});
  CHECK(fails(absent));
  CHECK(absent.text.starts_with("sk_lookup: "));
  CHECK(absent.next.find("CONFIG_") != std::string::npos);
  CHECK(is_ok(judge_bpf({})));
}

TEST_CASE("check btf, cgroup2, bpffs: absent is named, present says where") {
  CHECK(fails(judge_btf(ENOENT)));
  CHECK(is_ok(judge_btf(0)));
  std::string mounts =
      "proc /proc proc rw 0 0\n"
      "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n"
      "bpf /sys/fs/bpf bpf rw 0 0\n";
  CHECK(fails(judge_cgroup2("cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n")));
  CHECK(judge_cgroup2(mounts).text == "/sys/fs/cgroup/unified");
  CHECK(warns(judge_bpffs("proc /proc proc rw 0 0\n")));
  CHECK(judge_bpffs(mounts).text == "/sys/fs/bpf");
}

TEST_CASE("check io_uring: absent, switched off, forbidden, no memory, too old") {
  CHECK(fails(judge_io_uring({.error = ENOSYS})));
  Check off = judge_io_uring({.error = EPERM, .disabled = 2});
  CHECK(fails(off));
  CHECK(off.next == "sysctl -w kernel.io_uring_disabled=0");
  Check root_only = judge_io_uring({.error = EPERM, .disabled = 1});
  CHECK(fails(root_only));
  CHECK(root_only.next.find("root") != std::string::npos);
  Check forbidden = judge_io_uring({.error = EPERM});
  CHECK(fails(forbidden));
  CHECK(forbidden.next.find("seccomp") != std::string::npos);
  CHECK(fails(judge_io_uring({.error = ENOMEM})));
  CHECK(fails(judge_io_uring({.task_work = true, .buffer_rings = false})));
  CHECK(warns(judge_io_uring({.task_work = false, .buffer_rings = true})));
  CHECK(is_ok(judge_io_uring({.task_work = true, .buffer_rings = true})));
}

TEST_CASE("check ktls: absent is a warning, for the userspace engine works") {
  CHECK(warns(judge_ktls(ENOENT)));
  CHECK(warns(judge_ktls(EPERM)));
  CHECK(is_ok(judge_ktls(0)));
}

TEST_CASE("check capabilities: each that is missing is named") {
  Check none = judge_capabilities(0);
  CHECK(fails(none));
  for (const char *name : {"CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_BPF"}) {
    CHECK(none.text.find(name) != std::string::npos);
  }
  Check one = judge_capabilities(every_capability & ~(std::uint64_t{1} << 39));
  CHECK(fails(one));
  CHECK(one.text.find("CAP_NET_ADMIN") == std::string::npos);
  CHECK(is_ok(judge_capabilities(every_capability)));
}

TEST_CASE("check clock and open files: wrong fails, doubtful warns") {
  CHECK(fails(judge_clock({.unix_seconds = 0, .synchronised = true})));
  CHECK(warns(judge_clock({.unix_seconds = 1800000000, .synchronised = false})));
  CHECK(is_ok(judge_clock({.unix_seconds = 1800000000, .synchronised = true})));
  CHECK(warns(judge_open_files(1024)));
  CHECK(is_ok(judge_open_files(1048576)));
  CHECK(judge_open_files(~std::uint64_t{0}).text == "limit unlimited");
}

TEST_CASE("check: one failure, the answer is no; warnings alone, it is yes") {
  std::vector<Check> checks = {{"kernel", Outcome::ok, "6.1.0", ""},
                               {"ktls", Outcome::warning, "none", "modprobe tls"}};
  CHECK(passed(checks));
  CHECK(render_checks(checks, Palette(false)) ==
        "ok       kernel        6.1.0\n"
        "warning  ktls          none\n"
        "                       next: modprobe tls\n"
        "this machine can run culvertd\n");
  checks.push_back({"bpf", Outcome::failure, "map: Operation not permitted", "run it as root"});
  CHECK_FALSE(passed(checks));
  CHECK(render_checks(checks, Palette(true)).find("\x1b[31mfailure\x1b[0m  bpf") !=
        std::string::npos);
  CHECK(checks_json(checks) == Json::parse(R"({"success": false, "checks": [
    {"name": "kernel", "result": "ok", "found": "6.1.0", "next": null},
    {"name": "ktls", "result": "warning", "found": "none", "next": "modprobe tls"},
    {"name": "bpf", "result": "failure", "found": "map: Operation not permitted",
     "next": "run it as root"}]})"));
}

TEST_CASE("check: this machine, every check has a name and a finding") {
  auto checks = check_machine();
  CHECK(checks.size() == 10);
  for (const Check &each : checks) {
    INFO(each.name);
    CHECK_FALSE(each.name.empty());
    CHECK_FALSE(each.text.empty());
    CHECK((each.outcome == Outcome::ok) == each.next.empty());
  }
}
