// SPDX-License-Identifier: Apache-2.0
// What a set becomes: its size, its limits, and identities that come later.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "culvert/compiled_policy.h"
#include "support/policy_writing.h"

namespace {

using namespace culvert;
using namespace culvert::test;

std::string numbered(std::string_view before, int number) {
  return std::string(before) + std::to_string(number);
}

IdentityNumbers accounts(int count) {
  IdentityNumbers out;
  for (int i = 0; i < count; ++i) {
    out.add(*SpiffeId::workload("cluster.local", numbered("ns", i % 100), numbered("sa", i)));
  }
  return out;
}

std::string principal_text(int i) {
  return "cluster.local/ns/" + numbered("ns", i % 100) + "/sa/" + numbered("sa", i);
}

PolicySet one_principal_each(int count) {
  PolicySet out;
  for (int i = 0; i < count; ++i) {
    const Rule rule{{{principal({principal_text(i)})}}, {{port({443})}}, {}};
    out.policies.push_back(policy(PolicyAction::allow, {rule}, numbered("p", i)));
  }
  return out;
}

CompiledPolicy compile(const PolicySet &set, const IdentityNumbers &known) {
  auto out = CompiledPolicy::compile(set, known, {*Ip::parse("10.0.0.1")});
  REQUIRE(out.has_value());
  return std::move(*out);
}

TEST_CASE("identity numbers: from 1, one for each ID, found by each of its names") {
  IdentityNumbers numbers;
  const auto web = *SpiffeId::workload("cluster.local", "shop", "web");
  const auto other = *SpiffeId::workload("other.example", "shop", "web");
  const auto machine = *SpiffeId::parse("spiffe://cluster.local/ns/shop/sa/web/more");
  CHECK(numbers.add(web) == 1);
  CHECK(numbers.add(other) == 2);
  CHECK(numbers.add(web) == 1);
  CHECK(numbers.add(machine) == 3);
  CHECK(numbers.find(machine) == 3);
  CHECK(numbers.identity(0) == nullptr);
  CHECK(numbers.identity(4) == nullptr);
  CHECK(*numbers.identity(2) == other);
  CHECK(numbers.in_namespace("shop").size() == 2);
  CHECK(numbers.in_trust_domain("cluster.local").size() == 2);
  CHECK(numbers.with_service_account("shop/web").size() == 2);
  CHECK(numbers.with_service_account("shop").empty());
}

TEST_CASE("policy: cells grow with the clauses, not with their combinations") {
  const CompiledPolicy compiled = compile(one_principal_each(1000), accounts(2000));
  CHECK(compiled.identities.size() == 1000);
  CHECK(compiled.ports.size() == 2);
  CHECK(compiled.cells.size() == 1000);
  CHECK(compiled.entry.shapes == 1U << (SHAPE_IDENTITY | SHAPE_PORT));
  CHECK(compiled.entry.asks == (SHAPE_IDENTITY | SHAPE_PORT));
}

TEST_CASE("policy: what clauses do not ask about is left open, in shapes of their own") {
  const Rule shop{{{ns({"ns1"})}}, {}, {}}, office{{{source({"10.0.0.0/8"})}}, {}, {}};
  const CompiledPolicy compiled = compile({{deny({office}), allow({shop})}}, accounts(1000));
  CHECK(compiled.cells.size() == 2);
  CHECK(compiled.entry.shapes == (1U << SHAPE_IDENTITY | 1U << SHAPE_SOURCE));
  CHECK(compiled.identities.size() == 10);
  CHECK(compiled.sources == std::vector<CompiledPolicy::SourceClass>{{cidr("10.0.0.0/8"), 1}});
}

TEST_CASE("policy: class 0 is what most are, also where a star names them all") {
  const CompiledPolicy compiled =
      compile({{allow({{{{principal({"*"})}}, {}, {}}})}}, accounts(1000));
  CHECK(compiled.identities ==
        std::vector<CompiledPolicy::IdentityClass>{{IDENTITY_NONE, compiled.identities[0].number}});
  CHECK(compiled.cells.size() == 1);
  CHECK(compiled.cells[0].identity == 0);
}

TEST_CASE("policy: a block inside another of the same answer needs no entry") {
  const Rule rule{{{source({"10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24"})}}, {}, {}};
  CHECK(compile({{allow({rule})}}, {}).sources.size() == 1);
}

TEST_CASE("policy: the same clause in many policies is one, and names the first") {
  PolicySet set;
  for (int i = 0; i < 100; ++i)
    set.policies.push_back(allow({{{{ns({"ns1"})}}, {}, {}}}));
  const CompiledPolicy compiled = compile(set, accounts(1000));
  CHECK(compiled.cells.size() == 1);
  CHECK(compiled.cells[0].says.policy == 0);
}

TEST_CASE("policy: an identity that comes later, of no class, of one, or of a new one") {
  IdentityNumbers known = accounts(1000);
  const PolicySet set{{allow({{{{ns({"ns1"})}}, {}, {}}, {{{ns({"new"})}}, {}, {}}})}};
  CompiledPolicy compiled = compile(set, known);
  CHECK(compiled.classify(*SpiffeId::workload("cluster.local", "elsewhere", "a")) == 0);
  CHECK(!compiled.classify(*SpiffeId::workload("cluster.local", "new", "a")));
  const auto id = *SpiffeId::workload("cluster.local", "ns1", "a");
  const auto number = compiled.classify(id);
  REQUIRE(number);
  CHECK(*number != 0);
  const std::uint32_t identity = known.add(id);
  CHECK(PolicyTable(compiled).judge({identity, {}, 80, false}).verdict == VERDICT_DENY);
  CHECK(PolicyTable(compiled.with({identity, *number})).judge({identity, {}, 80, false}).verdict ==
        VERDICT_ALLOW);
}

TEST_CASE("policy: a set that is the same is compiled the same") {
  const PolicySet set = one_principal_each(50);
  const IdentityNumbers known = accounts(100);
  const CompiledPolicy a = compile(set, known), b = compile(set, known);
  CHECK(a.identities == b.identities);
  CHECK(a.ports == b.ports);
  REQUIRE(a.cells.size() == b.cells.size());
  for (std::size_t i = 0; i < a.cells.size(); ++i)
    CHECK(a.cells[i].identity == b.cells[i].identity);
}

// Each identity, each block and each port is told apart, and the last rule asks about all of them.
TEST_CASE("policy: more cells than there may be, an error that names the policies") {
  PolicySet set;
  for (int i = 0; i < 120; ++i) {
    const std::string block = numbered("10.", i) + ".0.0/16";
    const auto one = static_cast<std::uint16_t>(i + 1);
    set.policies.push_back(policy(PolicyAction::allow,
                                  {{{{principal({principal_text(i)})}}, {}, {}},
                                   {{{source({block})}}, {}, {}},
                                   {{}, {{port({one})}}, {}}},
                                  numbered("p", i)));
  }
  const Rule rest{
      {{none(principal({"x"})), none(source({"11.0.0.0/8"}))}}, {{none(port({9}))}}, {}};
  set.policies.push_back(allow({rest}));
  const auto compiled = CompiledPolicy::compile(set, accounts(200), {});
  REQUIRE(!compiled.has_value());
  CHECK(compiled.error().text.find("shop/p0, shop/p1, shop/p2 and 118 more") != std::string::npos);
}

TEST_CASE("policy: more policies than an index can name, an error") {
  const PolicySet set{std::vector<PolicyPtr>(VERDICT_NO_POLICY, allow({}))};
  CHECK(!CompiledPolicy::compile(set, {}, {}).has_value());
}

// Every rule is true of nearly everyone: 100,000,000 answers.
TEST_CASE("policy: more work than there may be, an error") {
  PolicySet set;
  for (int i = 0; i < 10000; ++i)
    set.policies.push_back(allow({{{{none(principal({principal_text(i)}))}}, {}, {}}}));
  CHECK(!CompiledPolicy::compile(set, accounts(10000), {}).has_value());
}

}  // namespace
