// SPDX-License-Identifier: Apache-2.0
// What of capture needs no privileges; the rest is in tests/bpf.
#include <catch2/catch_test_macros.hpp>

#include "capture/convert.h"
#include "capture/inbound.h"
#include "culvert/capture.h"

using namespace culvert;

TEST_CASE("capture: an address goes through the kernel's form unchanged") {
  for (const char *text : {"10.1.2.3", "fd00::1:2"}) {
    const Endpoint endpoint{*Ip::parse(text), 8080};
    CHECK(from_abi(to_abi(endpoint)) == endpoint);
  }
  CHECK(to_abi({*Ip::parse("10.1.2.3"), 80}).port == 80);  // host order
}

TEST_CASE("capture: only a pod's pin has a cookie in its name") {
  CHECK(inbound_cookie(inbound_name(4711)) == 4711);
  for (const char *name : {"connect4", "inbound_", "inbound_x", "inbound_12x", "inbound_12_new",
                           "inbound_99999999999999999999999"}) {
    INFO(name);
    CHECK_FALSE(inbound_cookie(name));
  }
}

TEST_CASE("capture: a path that is not a network namespace is named") {
  const auto missing = open_netns("/run/netns/culvert-no-such-pod");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().text ==
        "network namespace /run/netns/culvert-no-such-pod: open: No such file or directory: "
        "start the pod, or correct culvert.dev/netns");
  const auto file = open_netns("/dev/null");
  REQUIRE_FALSE(file);
  CHECK(file.error().text.starts_with("network namespace /dev/null: not a network namespace"));
  const auto user = open_netns("/proc/self/ns/user");
  REQUIRE_FALSE(user);
  CHECK(user.error().text.find("not a network namespace") != std::string::npos);
  const auto own = open_netns("/proc/self/ns/net");
  REQUIRE_FALSE(own);
  CHECK(own.error().text.find("culvertd's own") != std::string::npos);
}
