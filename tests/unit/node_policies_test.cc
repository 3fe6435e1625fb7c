// SPDX-License-Identifier: Apache-2.0
// What is in force for pods: the kernel's set without dry-run policies, and the table that has
// them.
#include <catch2/catch_test_macros.hpp>

#include "node/policies.h"
#include "support/policy_writing.h"

namespace {

using namespace culvert;
using namespace culvert::test;

// The kernel's maps, which take everything.
class AnyMaps final : public PolicyMaps {
 public:
  std::uint32_t new_set() override { return ++last_set_; }
  std::uint32_t new_identity() override { return ++last_identity_; }
  Result<void, Problem> add_set(std::uint32_t, PolicyMapContents) override { return {}; }
  Result<void, Problem> add_identity(std::uint32_t, std::uint32_t, std::uint32_t) override {
    return {};
  }
  void remove_sets(const std::vector<std::uint32_t> &) override {}
  void drop_orphans() override {}
  Result<verdict_answer> verdict(const verdict_question &) const override { return fail_os("", 0); }

 private:
  std::uint32_t last_set_ = 0, last_identity_ = 0;
};

PolicyPtr dry_run(const PolicyPtr &policy) {
  auto out = std::make_shared<AuthorizationPolicy>(*policy);
  out->dry_run = true;
  return out;
}

const SpiffeId web = *SpiffeId::parse("spiffe://cluster.local/ns/shop/sa/web");
const SpiffeId guest = *SpiffeId::parse("spiffe://cluster.local/ns/other/sa/guest");
const Rule from_shop{{{ns({"shop"})}}, {}, {}};

// One workload behind these policies, and "web" known.
class Node {
 public:
  explicit Node(std::vector<PolicyPtr> set) {
    workload_.id = web;
    workload_.meshed = true;
    workload_.ips = {*Ip::parse("10.9.9.9")};
    workload_.policies = std::make_shared<const PolicySet>(PolicySet{std::move(set)});
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->workloads = {std::make_shared<const Workload>(workload_)};
    policies.know(snapshot);
  }
  Policies::InForcePtr in_force() { return policies.enforce(workload_); }
  verdict_answer ask(const std::shared_ptr<const PolicyTable> &table, const SpiffeId &peer) {
    return table->judge({policies.number_of(peer).value(), *Ip::parse("10.0.0.1"), 80, false});
  }

 private:
  AnyMaps maps_;
  Workload workload_;

 public:
  Policies policies{maps_};
};

TEST_CASE("policies: none of them is dry-run, there is no second table") {
  Node node({allow({from_shop})});
  REQUIRE(node.in_force()->table != nullptr);
  CHECK(node.in_force()->dry_run == nullptr);
}

TEST_CASE("policies: a dry-run DENY denies in the second table only, by its number in the set") {
  Node node({dry_run(deny({from_shop})), allow({{}})});
  const auto in_force = node.in_force();
  const verdict_answer is = node.ask(in_force->table, web);
  CHECK((is.verdict == VERDICT_ALLOW && is.policy == 1));
  REQUIRE(in_force->dry_run != nullptr);
  const verdict_answer would = node.ask(in_force->dry_run, web);
  CHECK((would.verdict == VERDICT_DENY && would.policy == 0));
}

TEST_CASE("policies: a dry-run ALLOW closes in the second table to all that it does not match") {
  Node node({dry_run(allow({from_shop}))});
  node.policies.learn(guest);
  const auto in_force = node.in_force();
  CHECK(node.ask(in_force->table, guest).verdict == VERDICT_ALLOW);
  CHECK(node.ask(in_force->dry_run, guest).verdict == VERDICT_DENY);
  CHECK(node.ask(in_force->dry_run, web).verdict == VERDICT_ALLOW);
}

TEST_CASE("policies: an identity learnt later is judged by the second table, too") {
  Node node({dry_run(deny({{{{ns({"other"})}}, {}, {}}}))});
  const auto before = node.in_force();
  REQUIRE(node.policies.learn(guest));
  const auto after = node.in_force();
  CHECK(after != before);
  CHECK(after->number == before->number);  // the kernel's set is the same
  CHECK(node.ask(after->dry_run, guest).verdict == VERDICT_DENY);
  CHECK(node.ask(after->table, guest).verdict == VERDICT_ALLOW);
}

}  // namespace
