// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "culvert/identity.h"

using namespace culvert;

TEST_CASE("identity: legal SPIFFE IDs are taken byte by byte") {
  const std::string text = GENERATE(
      "spiffe://cluster.local/ns/shop/sa/web", "spiffe://td", "spiffe://1.2.3.4/service",
      "spiffe://a_b-c.d9/X/y.z/_-", "spiffe://td/...", "spiffe://td/.hidden", "spiffe://td/a..b",
      "spiffe://-/-", "spiffe://td/9eebccd2-12bf-40a6-b262-65fe0487d453");
  const auto id = SpiffeId::parse(text);
  REQUIRE(id);
  CHECK(id->text() == text);
}

TEST_CASE("identity: anything else is refused, never repaired") {
  const std::string text = GENERATE(
      "", "spiffe", "spiffe:", "spiffe:/", "spiffe://", "spiffe:///path", "spiffe:/td/path",
      "SPIFFE://td/path", "Spiffe://td/path", "http://td/path", " spiffe://td/path",
      "spiffe://td/path ", "spiffe://td/", "spiffe://td/a/", "spiffe://td//a", "spiffe://td/a//b",
      "spiffe://td/.", "spiffe://td/..", "spiffe://td/./a", "spiffe://td/a/../b",
      "spiffe://td/a/..", "spiffe://TD/path", "spiffe://td:443/path", "spiffe://user@td/path",
      "spiffe://td/path?query", "spiffe://td/path#fragment", "spiffe://td?query",
      "spiffe://td#fragment", "spiffe://td/%61", "spiffe://t%64/a", "spiffe://td/a b",
      "spiffe://td/a:b", "spiffe://td/*", "spiffe://*/a", "spiffe://td/\xc3\xa4",
      "spiffe://t\xc3\xa4/a", "spiffe://[::1]/a", "spiffe://td\\a", "spiffe://td/a\\b",
      "spiffe://td/a\n", "spiffe://td/a\r\n");
  CAPTURE(text);
  CHECK_FALSE(SpiffeId::parse(text));
}

TEST_CASE("identity: a NUL is a character like any other bad one") {
  CHECK_FALSE(SpiffeId::parse(std::string_view("spiffe://td/a\0", 14)));
  CHECK_FALSE(SpiffeId::parse(std::string_view("spiffe://td/a\0b", 15)));
  CHECK_FALSE(SpiffeId::parse(std::string_view("spiffe://td\0/b", 14)));
  CHECK_FALSE(SpiffeId::parse(std::string_view("\0spiffe://td/b", 14)));
}

TEST_CASE("identity: every byte is judged as the grammar says") {
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const bool mark = c == '.' || c == '-' || c == '_';
    const bool lower = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || mark;
    const bool any = lower || (c >= 'A' && c <= 'Z');
    CAPTURE(i);
    CHECK(SpiffeId::parse(std::string("spiffe://t") + c + "d/a").has_value() ==
          (lower || c == '/'));
    CHECK(SpiffeId::parse(std::string("spiffe://td/a") + c + "b").has_value() == (any || c == '/'));
  }
}

TEST_CASE("identity: the limits are 2048 bytes, and 255 for the trust domain") {
  const std::string head = "spiffe://td/";
  CHECK(SpiffeId::parse(head + std::string(2048 - head.size(), 'a')));
  CHECK_FALSE(SpiffeId::parse(head + std::string(2049 - head.size(), 'a')));
  CHECK(SpiffeId::parse("spiffe://" + std::string(255, 'a') + "/b"));
  CHECK_FALSE(SpiffeId::parse("spiffe://" + std::string(256, 'a') + "/b"));
  CHECK_FALSE(SpiffeId::parse("spiffe://" + std::string(256, 'a')));
}

TEST_CASE("identity: the parts of an ID") {
  const auto id = SpiffeId::parse("spiffe://cluster.local/ns/shop/sa/web");
  REQUIRE(id);
  CHECK(id->trust_domain() == "cluster.local");
  CHECK(id->path() == "/ns/shop/sa/web");
  const auto domain = SpiffeId::parse("spiffe://cluster.local");
  REQUIRE(domain);
  CHECK(domain->trust_domain() == "cluster.local");
  CHECK(domain->path().empty());
}

TEST_CASE("identity: a workload's ID from its parts") {
  const auto id = SpiffeId::workload("cluster.local", "shop", "web");
  REQUIRE(id);
  CHECK(id->text() == "spiffe://cluster.local/ns/shop/sa/web");
}

TEST_CASE("identity: no part can pretend to be two") {
  CHECK_FALSE(SpiffeId::workload("cluster.local", "shop/sa/admin", "web"));
  CHECK_FALSE(SpiffeId::workload("cluster.local", "shop", "web/x"));
  CHECK_FALSE(SpiffeId::workload("cluster.local/ns/shop/sa/admin", "a", "b"));
  CHECK_FALSE(SpiffeId::workload("cluster.local", "..", "web"));
  CHECK_FALSE(SpiffeId::workload("cluster.local", "", "web"));
  CHECK_FALSE(SpiffeId::workload("cluster.local", "shop", ""));
  CHECK_FALSE(SpiffeId::workload("", "shop", "web"));
  CHECK_FALSE(SpiffeId::workload("Cluster.Local", "shop", "web"));
  CHECK_FALSE(SpiffeId::workload("cluster.local", "shop", "*"));
  CHECK_FALSE(SpiffeId::workload("cluster.local", std::string(2048, 'a'), "web"));
}

TEST_CASE("identity: IDs are equal byte by byte only") {
  const auto web = *SpiffeId::parse("spiffe://td/ns/a/sa/b");
  CHECK(web == *SpiffeId::workload("td", "a", "b"));
  CHECK(web != *SpiffeId::parse("spiffe://td/ns/a/sa/B"));
  CHECK(web != *SpiffeId::parse("spiffe://td/ns/a/sa/bb"));
  CHECK(web != *SpiffeId::parse("spiffe://td2/ns/a/sa/b"));
}
