// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include "culvert/policy.h"

namespace {

using namespace culvert;

Workload database() {
  Workload workload;
  workload.ns = "shop";
  workload.name = "database-0";
  workload.id = *SpiffeId::workload("cluster.local", "shop", "database");
  workload.meshed = true;
  return workload;
}

const SpiffeId web = *SpiffeId::workload("cluster.local", "shop", "web");

Refusal refusal_of(const SpiffeId &peer, const Workload *destination) {
  const auto verdict = judge({.peer = peer, .destination = destination, .port = 5432});
  return verdict ? Refusal::none : verdict.error();
}

TEST_CASE("policy: the destination is not known any more, refused as gone") {
  CHECK(refusal_of(web, nullptr) == Refusal::pod_gone);
}

TEST_CASE("policy: the destination has left the mesh, refused as gone") {
  Workload workload = database();
  workload.meshed = false;
  CHECK(refusal_of(web, &workload) == Refusal::pod_gone);
}

TEST_CASE("policy: the peer is of another trust domain, refused whatever its path says") {
  const Workload workload = database();
  for (const char *text : {"other.local", "cluster.loca", "cluster.local.evil", "local"}) {
    const auto stranger = SpiffeId::workload(text, "shop", "database");
    REQUIRE(stranger.has_value());
    CHECK(refusal_of(*stranger, &workload) == Refusal::unknown_trust_domain);
  }
}

TEST_CASE("policy: an empty identity, refused") {
  const Workload workload = database();
  CHECK(refusal_of(SpiffeId(), &workload) == Refusal::unknown_trust_domain);
}

TEST_CASE("policy: a member of the mesh reaches another, and the permit names the port") {
  const Workload workload = database();
  const auto verdict = judge({.peer = web, .destination = &workload, .port = 5432});
  REQUIRE(verdict.has_value());
  CHECK(verdict->port() == 5432);
}

// What follows: with policies.

PolicyTable table(PolicyAction action, std::vector<PolicyRule> rules) {
  auto policy = std::make_shared<AuthorizationPolicy>();
  policy->action = action;
  policy->rules = std::move(rules);
  const auto compiled = CompiledPolicy::compile({{policy}}, {}, {});
  REQUIRE(compiled.has_value());
  return PolicyTable(*compiled);
}

std::expected<Permit, Denial> ask(const SpiffeId &peer, std::uint32_t identity,
                                  const PolicyTable *policies) {
  const Workload workload = database();
  return judge({.peer = peer, .destination = &workload, .port = 5432},
               {.identity = identity, .address = Ip::loopback_v4(), .to_v6 = false}, policies);
}

TEST_CASE("policy: no compiled policies, or a peer without a number, refused as pending") {
  const PolicyTable open = table(PolicyAction::allow, {PolicyRule{}});
  CHECK(ask(web, 1, nullptr).error().reason == Refusal::policy_pending);
  CHECK(ask(web, IDENTITY_NONE, &open).error().reason == Refusal::policy_pending);
  CHECK(ask(SpiffeId(), IDENTITY_NONE, nullptr).error().reason == Refusal::policy_pending);
}

TEST_CASE("policy: the workload's policies refuse, denied with the policy's index") {
  const PolicyTable closed = table(PolicyAction::deny, {PolicyRule{}});
  CHECK(ask(web, 1, &closed).error().reason == Refusal::policy_denied);
  CHECK(ask(web, 1, &closed).error().policy == 0);
  const PolicyTable nothing = table(PolicyAction::allow, {});
  CHECK(ask(SpiffeId(), IDENTITY_NONE, &nothing).error().reason == Refusal::policy_denied);
  CHECK(ask(web, 1, &nothing).error().policy == 0);
}

TEST_CASE("policy: the trust domain, and whether the workload is there, come before its policies") {
  const PolicyTable open = table(PolicyAction::allow, {PolicyRule{}});
  const auto stranger = *SpiffeId::workload("other.local", "shop", "web");
  CHECK(ask(stranger, 1, &open).error().reason == Refusal::unknown_trust_domain);
  CHECK(ask(SpiffeId(), 1, &open).error().reason == Refusal::unknown_trust_domain);
  const Client client{.identity = 1, .address = Ip::loopback_v4(), .to_v6 = false};
  CHECK(judge({.peer = web, .destination = nullptr, .port = 1}, client, &open).error().reason ==
        Refusal::pod_gone);
}

TEST_CASE("policy: the workload's policies allow, a permit for a peer and for plaintext") {
  const PolicyTable open = table(PolicyAction::allow, {PolicyRule{}});
  CHECK(ask(web, 1, &open)->port() == 5432);
  CHECK(ask(SpiffeId(), IDENTITY_NONE, &open).has_value());
}

}  // namespace
