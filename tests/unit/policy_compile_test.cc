// SPDX-License-Identifier: Apache-2.0
// What a compiled set answers, looked up as the kernel does.
#include <catch2/catch_test_macros.hpp>

#include "culvert/compiled_policy.h"
#include "support/policy_writing.h"

namespace {

using namespace culvert;
using namespace culvert::test;

constexpr auto allowed = VERDICT_ALLOW, denied = VERDICT_DENY;
constexpr int nobody = VERDICT_NO_POLICY;

// A compiled set and who may ask it: "web" is cluster.local/ns/shop/sa/web, and so on.
class World {
 public:
  explicit World(std::vector<PolicyPtr> policies) : set_{std::move(policies)} {
    for (const char *text : {"cluster.local/ns/shop/sa/web", "cluster.local/ns/shop/sa/webmaster",
                             "cluster.local/ns/shopping/sa/web", "cluster.local/ns/bank/sa/teller",
                             "other.example/ns/shop/sa/web", "cluster.local/machine/web"}) {
      known.add(*SpiffeId::parse("spiffe://" + std::string(text)));
    }
    auto out =
        CompiledPolicy::compile(set_, known, {*Ip::parse("10.9.9.9"), *Ip::parse("fd00::9")});
    REQUIRE(out.has_value());
    compiled = std::move(*out);
  }

  // "": plaintext. The address of the client says which of the workload's is meant.
  bool says(culvert_verdict verdict, int policy, std::string_view principal,
            std::string_view client = "10.0.0.1", std::uint16_t port = 80) const {
    std::uint32_t number = IDENTITY_NONE;
    if (!principal.empty()) {
      const std::string text = principal.find('/') == principal.npos
                                   ? "cluster.local/ns/shop/sa/" + std::string(principal)
                                   : std::string(principal);
      number = known.with_principal(text).value();
    }
    const Ip ip = *Ip::parse(client);
    const auto answer = PolicyTable(compiled).judge({number, ip, port, !ip.is_v4()});
    return answer.verdict == verdict && answer.policy == policy && answer.pad == 0;
  }

  IdentityNumbers known;
  CompiledPolicy compiled;

 private:
  PolicySet set_;
};

const char *const teller = "cluster.local/ns/bank/sa/teller";
const char *const shopping_web = "cluster.local/ns/shopping/sa/web";
const char *const other_web = "other.example/ns/shop/sa/web";
const char *const machine = "cluster.local/machine/web";

TEST_CASE("policy: no policies, everything is allowed") {
  CHECK(World({}).says(allowed, nobody, ""));
}

TEST_CASE("policy: an ALLOW policy without rules, everything is denied") {
  const World world({allow({})});
  CHECK(world.says(denied, 0, "web"));
  CHECK(world.says(denied, 0, ""));
}

TEST_CASE("policy: a DENY policy without rules denies nothing") {
  CHECK(World({deny({})}).says(allowed, nobody, "web"));
}

TEST_CASE("policy: an empty rule matches everything") {
  CHECK(World({allow({{}})}).says(allowed, 0, ""));
  CHECK(World({deny({{}})}).says(denied, 0, "web"));
}

TEST_CASE("policy: a rule that cannot be judged matches nothing") {
  Rule rule;
  rule.never = true;
  CHECK(World({allow({rule})}).says(denied, 0, "web"));
  CHECK(World({deny({rule})}).says(allowed, nobody, "web"));
}

TEST_CASE("policy: DENY before ALLOW, CUSTOM before DENY, the first of several is named") {
  const Rule web{{{principal({"cluster.local/ns/shop/sa/web"})}}, {}, {}};
  const Rule shop{{{ns({"shop"})}}, {}, {}};
  const World world({policy(PolicyAction::custom, {web}), deny({web}), deny({shop}), allow({{}})});
  CHECK(world.says(denied, 0, "web"));
  CHECK(world.says(denied, 2, "webmaster"));
  CHECK(world.says(allowed, 3, teller));
  const World both({allow({shop}), allow({web})});
  CHECK(both.says(allowed, 0, "web"));
}

TEST_CASE("policy: AUDIT and dry-run policies decide nothing") {
  auto dry = std::make_shared<AuthorizationPolicy>(*deny({{}}));
  dry->dry_run = true;
  const World world({dry, policy(PolicyAction::audit, {{}})});
  CHECK(world.says(allowed, nobody, "web"));
  auto dry_allow = std::make_shared<AuthorizationPolicy>(*allow({}));
  dry_allow->dry_run = true;
  CHECK(World({dry_allow}).says(allowed, nobody, "web"));
}

TEST_CASE("policy: a principal is exact, of one trust domain") {
  const World world({allow({{{{principal({"cluster.local/ns/shop/sa/web"})}}, {}, {}}})});
  CHECK(world.says(allowed, 0, "web"));
  for (const char *other : {"webmaster", shopping_web, other_web, machine, teller, ""}) {
    CHECK(world.says(denied, 0, other));
  }
}

TEST_CASE("policy: prefix, suffix and presence of a principal") {
  const World prefix({allow({{{{principal({"cluster.local/ns/shop*"})}}, {}, {}}})});
  CHECK(prefix.says(allowed, 0, "web"));
  CHECK(prefix.says(allowed, 0, shopping_web));
  CHECK(prefix.says(denied, 0, other_web));
  const World suffix({allow({{{{principal({"*/web"})}}, {}, {}}})});
  CHECK(suffix.says(allowed, 0, other_web));
  CHECK(suffix.says(allowed, 0, machine));
  CHECK(suffix.says(denied, 0, "webmaster"));
  const World present({allow({{{{principal({"*"})}}, {}, {}}})});
  CHECK(present.says(allowed, 0, machine));
  CHECK(present.says(denied, 0, ""));
}

TEST_CASE("policy: plaintext satisfies what is negated, and nothing else") {
  const World strict({deny({{{{none(principal({"*"}))}}, {}, {}}})});
  CHECK(strict.says(denied, 0, ""));
  CHECK(strict.says(allowed, nobody, "web"));
  const World world({deny({{{{none(ns({"shop"}))}}, {}, {}}})});
  CHECK(world.says(denied, 0, ""));
  CHECK(world.says(denied, 0, teller));
  CHECK(world.says(allowed, nobody, "web"));
}

TEST_CASE("policy: an ID of another form has no namespace and no service account") {
  const World world({allow({{{{ns({"*"})}}, {}, {}}, {{{account({"shop/web"})}}, {}, {}}})});
  CHECK(world.says(denied, 0, machine));
  CHECK(world.says(allowed, 0, "web"));
  const World negated({allow({{{{none(ns({"*"})), trust_domain({"cluster.local"})}}, {}, {}}})});
  CHECK(negated.says(allowed, 0, machine));
  CHECK(negated.says(denied, 0, "web"));
}

TEST_CASE("policy: namespace, service account and trust domain of one entry are all meant") {
  const World world({allow({{{{ns({"shop"}), trust_domain({"cluster.local"})}}, {}, {}}})});
  CHECK(world.says(allowed, 0, "web"));
  CHECK(world.says(denied, 0, other_web));
  CHECK(world.says(denied, 0, teller));
  const World accounts({allow({{{{account({"shop/web", "bank/teller"})}}, {}, {}}})});
  CHECK(accounts.says(allowed, 0, other_web));
  CHECK(accounts.says(allowed, 0, teller));
  CHECK(accounts.says(denied, 0, shopping_web));
}

TEST_CASE("policy: one of `from`, one of `to`, and all of `when`") {
  const World world({allow({{{{ns({"bank"})}, {ns({"shop"})}},
                             {{port({80})}, {port({443})}},
                             {source({"10.0.0.0/8"}), none(source({"10.1.0.0/16"}))}}})});
  CHECK(world.says(allowed, 0, "web", "10.0.0.1", 80));
  CHECK(world.says(allowed, 0, teller, "10.2.0.0", 443));
  CHECK(world.says(denied, 0, teller, "10.1.0.0", 443));
  CHECK(world.says(denied, 0, teller, "10.0.0.1", 81));
  CHECK(world.says(denied, 0, teller, "11.0.0.0", 80));
  CHECK(world.says(denied, 0, shopping_web, "10.0.0.1", 80));
}

TEST_CASE("policy: the edges of a block") {
  const World world(
      {allow({{{{source({"10.1.2.0/23", "10.1.3.255/32", "fd00::/127"})}}, {}, {}}})});
  for (const char *inside : {"10.1.2.0", "10.1.3.255", "10.1.3.254", "fd00::", "fd00::1"}) {
    CHECK(world.says(allowed, 0, "", inside));
  }
  for (const char *outside : {"10.1.1.255", "10.1.4.0", "fd00::2", "fcff::1", "::", "0.0.0.0"}) {
    CHECK(world.says(denied, 0, "", outside));
  }
}

TEST_CASE("policy: all of IPv4 is not all of IPv6, nor the other way") {
  const World v6({allow({{{{source({"::/0"})}}, {}, {}}})});
  CHECK(v6.says(allowed, 0, "", "fd00::1"));
  CHECK(v6.says(denied, 0, "", "10.0.0.1"));
  const World v4({allow({{{{source({"0.0.0.0/0"})}}, {}, {}}})});
  CHECK(v4.says(allowed, 0, "", "255.255.255.255"));
  CHECK(v4.says(denied, 0, "", "fd00::1"));
  const World neither({deny({{{{none(source({"::/0"}))}}, {}, {}}})});
  CHECK(neither.says(denied, 0, "", "10.0.0.1"));
  CHECK(neither.says(allowed, nobody, "", "fd00::1"));
}

TEST_CASE("policy: ports, negated and at both ends of the range") {
  const World world({deny({{{}, {{none(port({1, 65535}))}}, {}}})});
  CHECK(world.says(allowed, nobody, "web", "10.0.0.1", 1));
  CHECK(world.says(allowed, nobody, "web", "fd00::1", 65535));
  CHECK(world.says(denied, 0, "web", "10.0.0.1", 2));
  CHECK(world.says(denied, 0, "web", "fd00::1", 80));
}

TEST_CASE("policy: destination.ip means the workload's address of that family") {
  const World world({allow({{{}, {}, {own_ip({"10.9.9.0/24"}), port({80})}}})});
  CHECK(world.says(allowed, 0, "web", "10.0.0.1", 80));
  CHECK(world.says(denied, 0, "web", "10.0.0.1", 81));
  CHECK(world.says(denied, 0, "web", "fd00::1", 80));
  const World negated({deny({{{}, {}, {none(own_ip({"10.0.0.0/8"}))}}})});
  CHECK(negated.says(allowed, nobody, "web", "10.0.0.1"));
  CHECK(negated.says(denied, 0, "web", "fd00::1"));
  const World both({allow({{{}, {}, {own_ip({"10.0.0.0/8", "fd00::/8"})}}})});
  CHECK(both.says(allowed, 0, "web", "fd00::1"));
  CHECK(both.compiled.entry.asks == 0);
}

TEST_CASE("policy: several addresses of one family, what allows is not wider for it") {
  const std::vector<Ip> own{*Ip::parse("10.9.9.9"), *Ip::parse("10.8.8.8")};
  const Rule first{{}, {}, {own_ip({"10.9.0.0/16"})}};
  const Rule not_first{{}, {}, {none(own_ip({"10.9.0.0/16"}))}};
  for (const Rule &rule : {first, not_first}) {
    for (const bool denies : {true, false}) {
      const PolicySet set{{denies ? deny({rule}) : allow({rule})}};
      const auto compiled = CompiledPolicy::compile(set, {}, own);
      REQUIRE(compiled.has_value());
      CHECK(PolicyTable(*compiled).judge({0, *Ip::parse("10.0.0.1"), 80, false}).verdict == denied);
    }
  }
}

TEST_CASE("policy: a condition without values matches nothing, negated everything") {
  const World world(
      {allow({{{{ns({})}}, {}, {}}, {{}, {{port({})}}, {}}, {{{source({})}}, {}, {}}})});
  CHECK(world.says(denied, 0, "web"));
  const World negated({allow({{{{none(ns({}))}}, {{none(port({}))}}, {}}})});
  CHECK(negated.says(allowed, 0, ""));
}

}  // namespace
