// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <unordered_set>

#include "culvert/address.h"
#include "culvert/fd.h"
#include "culvert/policy_set.h"
#include "culvert/result.h"

using namespace culvert;

TEST_CASE("address: text that is not an address is refused") {
  for (const char *text :
       {"", "10.0.0", "10.0.0.256", "10.0.0.1 ", "fd00::1::2", "fd00::1%eth0", "localhost",
        "::ffff:10.0.0.1.1", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"}) {
    INFO(text);
    CHECK_FALSE(Ip::parse(text));
  }
  CHECK_FALSE(Ip::parse(std::string_view("10.0.0.1\0", 9)));
}

TEST_CASE("address: IPv4 and its mapped form are the same address and print as IPv4") {
  const auto v4 = Ip::parse("10.1.2.3");
  REQUIRE(v4);
  CHECK(*v4 == Ip::parse("::ffff:10.1.2.3"));
  CHECK(v4->is_v4());
  CHECK(v4->text() == "10.1.2.3");
  CHECK(Endpoint{*v4, 80}.text() == "10.1.2.3:80");
}

TEST_CASE("address: IPv6 prints in brackets with a port") {
  const auto v6 = Ip::parse("fd00:0:0::1");
  REQUIRE(v6);
  CHECK_FALSE(v6->is_v4());
  CHECK(v6->text() == "fd00::1");
  CHECK(Endpoint{*v6, 443}.text() == "[fd00::1]:443");
}

TEST_CASE("address: loopback is 127.0.0.0/8 and ::1, unspecified is all zero") {
  CHECK(Ip::loopback_v4().text() == "127.0.0.1");
  CHECK(Ip::loopback_v6().text() == "::1");
  CHECK(Ip::loopback_v4().is_loopback());
  CHECK(Ip::loopback_v6().is_loopback());
  CHECK(Ip::parse("127.8.9.1")->is_loopback());
  CHECK_FALSE(Ip::parse("128.0.0.1")->is_loopback());
  CHECK_FALSE(Ip::parse("::2")->is_loopback());
  CHECK(Ip{}.is_unspecified());
  CHECK_FALSE(Ip::parse("0.0.0.0")->is_unspecified());  // mapped: an IPv4 address, not "none"
}

TEST_CASE("address: a SocketAddress is of the endpoint's family and gives it back") {
  const Endpoint v4{*Ip::parse("10.1.2.3"), 8080}, v6{*Ip::parse("fd00::5"), 15001};
  CHECK(SocketAddress(v4).family() == AF_INET);
  CHECK(SocketAddress(v4).size() == sizeof(sockaddr_in));
  CHECK(SocketAddress(v4).endpoint() == v4);
  CHECK(SocketAddress(v6).family() == AF_INET6);
  CHECK(SocketAddress(v6).size() == sizeof(sockaddr_in6));
  CHECK(SocketAddress(v6).endpoint() == v6);
  CHECK(SocketAddress::empty().endpoint() == Endpoint{});
}

TEST_CASE("address: the hashes of neighbours differ") {
  std::unordered_set<std::size_t> seen;
  for (int host = 1; host < 255; ++host) {
    const auto ip = Ip::parse("10.0.0." + std::to_string(host));
    REQUIRE(ip);
    for (std::uint16_t port = 1; port < 40; ++port) {
      seen.insert(std::hash<Endpoint>{}({*ip, port}) & 0xfffff);
    }
  }
  CHECK(seen.size() > 9600);  // 9,906 keys in 2^20 places: about 47 share one
}

namespace {
Result<int> half(int value) {
  if (value % 2 != 0) return fail_os("half", EINVAL);
  return value / 2;
}
Result<> quarter(int value, int &out) {
  const int once = TRY(half(value));
  out = TRY(half(once));
  return {};
}
Result<std::string, Problem> name(bool good) {
  if (!good) return problem("no name: give one");
  return "name";
}
Result<std::size_t, Problem> name_size(bool good) { return TRY(name(good)).size(); }
}  // namespace

TEST_CASE("result: TRY gives the value or hands the error to the caller") {
  int out = 0;
  CHECK(quarter(8, out));
  CHECK(out == 2);
  const auto failed = quarter(6, out);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == EINVAL);
  CHECK(out == 2);
  CHECK(*name_size(true) == 4);
  CHECK(name_size(false).error().text == "no name: give one");
}

TEST_CASE("result: an error describes itself") {
  CHECK(describe(os_error("connect", ECONNREFUSED)) == "connect: Connection refused");
  CHECK(describe({"map full", E2BIG, ErrorSource::bpf}) == "map full: Argument list too long");
  CHECK(describe({"close_notify missing", 0, ErrorSource::record}) == "close_notify missing");
  CHECK(describe({"handshake", 42, ErrorSource::tls}) == "handshake (42)");
}

TEST_CASE("fd: one owner, closed once") {
  int pipes[2];
  REQUIRE(::pipe(pipes) == 0);
  UniqueFd reader(pipes[0]), writer(pipes[1]);
  UniqueFd moved = std::move(writer);
  CHECK(writer.empty());
  CHECK(moved.get() == pipes[1]);
  moved.reset();
  char byte;
  CHECK(::read(reader.get(), &byte, 1) == 0);  // the write end is closed: end of file
}

TEST_CASE("policy_set: a block contains its own addresses, and none of the other family") {
  struct Row {
    const char *base;
    int bits;
    const char *ip;
    bool contains;
  };
  const Row rows[] = {
      {"10.0.0.0", 104, "10.255.255.255", true},
      {"10.0.0.0", 104, "11.0.0.0", false},
      {"10.0.0.0", 104, "::a00:0", false},
      {"10.0.0.128", 121, "10.0.0.255", true},
      {"10.0.0.128", 121, "10.0.0.127", false},
      {"10.0.0.1", 128, "10.0.0.1", true},
      {"10.0.0.1", 128, "10.0.0.0", false},
      {"0.0.0.0", 96, "255.255.255.255", true},
      {"0.0.0.0", 96, "fd00::1", false},
      {"::", 0, "fd00::1", true},
      {"::", 0, "10.0.0.1", false},
      {"fd00::", 8, "fd12::1", true},
      {"fd00::", 8, "fe00::1", false},
      {"fc00::", 7, "fdff::1", true},
  };
  for (const Row &row : rows) {
    INFO(row.base << "/" << row.bits << " " << row.ip);
    const Cidr cidr{*Ip::parse(row.base), static_cast<std::uint8_t>(row.bits)};
    CHECK(cidr.contains(*Ip::parse(row.ip)) == row.contains);
  }
}

TEST_CASE("policy_set: actions have Istio's names") {
  CHECK(name(PolicyAction::custom) == "CUSTOM");
  CHECK(name(PolicyAction::deny) == "DENY");
  CHECK(name(PolicyAction::allow) == "ALLOW");
  CHECK(name(PolicyAction::audit) == "AUDIT");
}
