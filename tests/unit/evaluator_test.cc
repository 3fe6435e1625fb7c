// SPDX-License-Identifier: Apache-2.0
// What a whole set decides: actions, their order, and how a rule is put together.
#include <catch2/catch_test_macros.hpp>

#include "evaluator_values.h"

namespace {

using namespace culvert;

const Caller web = as("cluster.local/ns/shop/sa/web");
const Caller sleep_of_default = as("cluster.local/ns/default/sa/sleep");
const Caller stranger = as("cluster.local/ns/other/sa/stranger");
const RuleWords everything = {};
const RuleWords nothing = {.never = true};
const RuleWords from_shop = {.from = {{namespaces({"shop"})}}};
const RuleWords from_other = {.from = {{namespaces({"other"})}}};

struct Row {
  const char *name;
  PolicySet set;
  Caller caller;
  bool allowed;
  std::string by;  // name of the policy and number of the rule, "allow 0"; "": none of them
};

std::string decided_by(const PolicyDecision &decision) {
  if (decision.policy == nullptr) return "";
  if (decision.rule == nullptr) return decision.policy->name;
  const auto index = decision.rule - decision.policy->rules.data();
  return decision.policy->name + " " + std::to_string(index);
}

void check(const std::vector<Row> &rows) {
  for (const Row &row : rows) {
    INFO(row.name);
    const PolicyDecision decision = evaluate(row.set, row.caller.subject());
    CHECK(decision.allowed == row.allowed);
    CHECK(decided_by(decision) == row.by);
  }
}

TEST_CASE("evaluator: what is not allowed by an ALLOW policy, denied") {
  check({
      {"ALLOW without rules denies all", set_of({allow({})}), web, false, "allow"},
      {"ALLOW without rules denies plaintext", set_of({allow({})}), plaintext(), false, "allow"},
      {"no rule matches", set_of({allow({from_shop})}), stranger, false, "allow"},
      {"no rule of several policies matches, the first is named",
       set_of({allow({from_shop}, "a"), allow({from_shop}, "b")}), stranger, false, "a"},
      {"the only rule says what cannot be judged", set_of({allow({nothing})}), web, false, "allow"},
      {"a rule of plaintext names", set_of({allow({from_shop})}), plaintext(), false, "allow"},
  });
}

TEST_CASE("evaluator: DENY and CUSTOM that match, denied whatever ALLOW says") {
  const auto all = allow({everything});
  check({
      {"DENY before ALLOW", set_of({deny({everything}), all}), web, false, "deny 0"},
      {"DENY before ALLOW, in any order", set_of({all, deny({everything})}), web, false, "deny 0"},
      {"CUSTOM before DENY", set_of({deny({everything}), custom({everything}), all}), web, false,
       "custom 0"},
      {"CUSTOM has no provider", set_of({custom({from_shop}), all}), web, false, "custom 0"},
      {"CUSTOM alone", set_of({custom({from_shop})}), web, false, "custom 0"},
      {"the second DENY policy", set_of({deny({from_other}, "a"), deny({from_shop}, "b"), all}),
       web, false, "b 0"},
      {"the second rule", set_of({deny({from_other, from_shop})}), web, false, "deny 1"},
      {"the first of two that match", set_of({deny({from_shop}, "a"), deny({everything}, "b")}),
       web, false, "a 0"},
  });
}

TEST_CASE("evaluator: what nothing denies and something allows, allowed") {
  check({
      {"an empty set", set_of({}), web, true, ""},
      {"an empty set, plaintext", set_of({}), plaintext(), true, ""},
      {"rules: [{}] matches all", set_of({allow({everything})}), web, true, "allow 0"},
      {"rules: [{}] matches plaintext", set_of({allow({everything})}), plaintext(), true,
       "allow 0"},
      {"the second rule", set_of({allow({from_other, from_shop})}), web, true, "allow 1"},
      {"a rule after one that cannot be judged", set_of({allow({nothing, everything})}), web, true,
       "allow 1"},
      {"the second policy, though the first allows nothing",
       set_of({allow({}, "a"), allow({from_shop}, "b")}), web, true, "b 0"},
      {"DENY that does not match, no ALLOW", set_of({deny({from_other})}), web, true, ""},
      {"DENY without rules", set_of({deny({})}), web, true, ""},
      {"DENY that cannot be judged at all", set_of({deny({nothing})}), web, true, ""},
      {"CUSTOM that does not match", set_of({custom({from_other})}), web, true, ""},
      {"CUSTOM without rules", set_of({custom({})}), web, true, ""},
  });
}

TEST_CASE("evaluator: AUDIT and dry-run policies, decide nothing") {
  const auto all = allow({everything});
  check({
      {"AUDIT alone is no ALLOW policy", set_of({audit({everything})}), web, true, ""},
      {"AUDIT without rules", set_of({audit({})}), web, true, ""},
      {"AUDIT allows nothing", set_of({allow({}), audit({everything})}), web, false, "allow"},
      {"DENY in dry-run", set_of({dry_run(deny({everything})), all}), web, true, "allow 0"},
      {"CUSTOM in dry-run", set_of({dry_run(custom({everything})), all}), web, true, "allow 0"},
      {"ALLOW in dry-run closes nothing", set_of({dry_run(allow({}))}), web, true, ""},
      {"ALLOW in dry-run opens nothing", set_of({allow({}, "a"), dry_run(allow({everything}))}),
       web, false, "a"},
      {"ALLOW in dry-run is not named", set_of({dry_run(allow({}, "a")), allow({}, "b")}), web,
       false, "b"},
  });
}

TEST_CASE("evaluator: dry-run policies taken as if in force, their decision") {
  const auto decide = [](std::vector<AuthorizationPolicy> policies) {
    const PolicySet set = set_of(std::move(policies));
    const PolicyDecision decision = evaluate_with_dry_run(set, web.subject());
    return (decision.allowed ? "allowed " : "denied ") + decided_by(decision);
  };
  CHECK(decide({dry_run(deny({everything})), allow({everything})}) == "denied deny 0");
  CHECK(decide({dry_run(custom({from_shop}))}) == "denied custom 0");
  CHECK(decide({dry_run(allow({}))}) == "denied allow");
  CHECK(decide({allow({}, "a"), dry_run(allow({from_shop}, "b"))}) == "allowed b 0");
  CHECK(decide({dry_run(audit({everything}))}) == "allowed ");
  CHECK(decide({dry_run(deny({from_other}))}) == "allowed ");
}

TEST_CASE("evaluator: examples of Istio's documents, as they say") {
  const auto only_sleep_or_test =
      allow({{.from = {{principals({"cluster.local/ns/default/sa/sleep"})}, {namespaces({"test"})}},
              .to = {{ports({8080})}}}});
  const auto tester = as("cluster.local/ns/test/sa/any");
  const auto not_foo = deny({{.from = {{none_of(namespaces({"foo"}))}}}});
  const auto foo = as("cluster.local/ns/foo/sa/any");
  const auto only_9000 = deny({{.to = {{none_of(ports({9000}))}}}});
  const auto ip_block = allow({{.from = {{ips({"10.0.0.0/24", "2001:db8::/32"})}}}});
  const auto with_token = deny({{.from = {{none_of(principals({"*"}))}}}});  // require mTLS
  check({
      {"principal or namespace: principal", set_of({only_sleep_or_test}), sleep_of_default, true,
       "allow 0"},
      {"principal or namespace: namespace", set_of({only_sleep_or_test}), tester, true, "allow 0"},
      {"principal or namespace: neither", set_of({only_sleep_or_test}), stranger, false, "allow"},
      {"principal or namespace: another port", set_of({only_sleep_or_test}), tester.to(8081), false,
       "allow"},
      {"deny all but one namespace: it", set_of({not_foo}), foo, true, ""},
      {"deny all but one namespace: another", set_of({not_foo}), web, false, "deny 0"},
      {"deny all but one namespace: plaintext", set_of({not_foo}), plaintext(), false, "deny 0"},
      {"deny all ports but one: it", set_of({only_9000}), web.to(9000), true, ""},
      {"deny all ports but one: another", set_of({only_9000}), web.to(9001), false, "deny 0"},
      {"ipBlocks: inside", set_of({ip_block}), plaintext().at("10.0.0.77"), true, "allow 0"},
      {"ipBlocks: outside", set_of({ip_block}), plaintext().at("10.0.1.77"), false, "allow"},
      {"ipBlocks: IPv6", set_of({ip_block}), plaintext().at("2001:db8::7"), true, "allow 0"},
      {"mTLS required: plaintext", set_of({with_token}), plaintext(), false, "deny 0"},
      {"mTLS required: a workload", set_of({with_token}), web, true, ""},
  });
}

// Two alternatives in `from`, two in `to`, two conditions in `when`.
TEST_CASE("evaluator: from, to and when of a rule, all three and of each alternative all") {
  const auto set = set_of(
      {allow({{.from = {{namespaces({"shop"}), ips({"10.0.0.0/8"})}, {accounts({"b/x"})}},
               .to = {{ports({80, 443})}, {ports({8080}), own_ips({"10.0.9.9/32"})}},
               .when = {trust_domains({"cluster.local"}), none_of(ips({"10.6.6.6/32"}))}}})});
  const auto b_x = as("cluster.local/ns/b/sa/x");
  check({
      {"first from, first to", set, web.to(80), true, "allow 0"},
      {"first from, second to", set, web.to(8080), true, "allow 0"},
      {"second from, first to", set, b_x.at("192.0.2.1").to(443), true, "allow 0"},
      {"second from, second to", set, b_x.at("192.0.2.1").to(8080), true, "allow 0"},
      {"half of the first from", set, web.at("192.0.2.1").to(80), false, "allow"},
      {"the other half of the first from", set, stranger.to(80), false, "allow"},
      {"half of the second to", set, web.to_ip("10.0.9.8").to(8080), false, "allow"},
      {"no to", set, web.to(81), false, "allow"},
      {"when: negated", set, web.at("10.6.6.6").to(80), false, "allow"},
      {"when: positive", set, as("td1/ns/shop/sa/web").to(80), false, "allow"},
      {"nothing proved", set, plaintext().to(80), false, "allow"},
  });
}

TEST_CASE("evaluator: a rule's never, nothing matches it however wide it is") {
  const RuleWords never = {.from = {{namespaces({"*"})}}, .never = true};
  for (const Caller &caller : {web, stranger, plaintext()}) {
    CHECK(!evaluate(set_of({allow({never})}), caller.subject()).allowed);
    CHECK(evaluate(set_of({deny({never, nothing})}), caller.subject()).allowed);
  }
}

}  // namespace
