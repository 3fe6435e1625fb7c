// SPDX-License-Identifier: Apache-2.0
// What people read of a decision.
#include <catch2/catch_test_macros.hpp>

#include "evaluator_values.h"

namespace {

using namespace culvert;

const Caller web = as("td1/ns/shop/sa/web");

std::string decision(std::vector<AuthorizationPolicy> policies) {
  return evaluate(set_of(std::move(policies)), web.subject()).text();
}

std::string step(AuthorizationPolicy policy, const Caller &caller = web) {
  const PolicySet set = set_of({std::move(policy)});
  const auto steps = explain(set, caller.subject());
  REQUIRE(steps.size() == 1);
  return steps.front().text;
}

TEST_CASE("evaluator: a decision, one sentence that names its policy and rule") {
  CHECK(decision({}) == "allowed: no ALLOW policy selects the workload");
  CHECK(decision({allow({{}}, "web")}) == "allowed by AuthorizationPolicy shop/web, spec.rules[0]");
  CHECK(decision({allow({}, "web"), allow({}, "web-2")}) ==
        "denied: no ALLOW policy matches, the first of them is AuthorizationPolicy shop/web");
  CHECK(decision({deny({{.never = true}, {}}, "closed")}) ==
        "denied by AuthorizationPolicy shop/closed, spec.rules[1]");
  CHECK(decision({custom({{}}, "oauth")}) ==
        "denied by AuthorizationPolicy shop/oauth, spec.rules[0] "
        "(CUSTOM, for which there is no provider here)");
}

TEST_CASE("evaluator: a policy that does not match, the condition of the nearest rule") {
  CHECK(step(allow({})) == "ALLOW shop/allow: has no rules, so it never matches");
  CHECK(step(allow({{.from = {{namespaces({"a"})}}}})) ==
        "ALLOW shop/allow: spec.rules[0] does not match: source.namespace is shop, wanted a");
  CHECK(step(deny(
            {{.from = {{namespaces({"a"})}}, .to = {{ports({1})}}}, {.to = {{ports({1, 2})}}}})) ==
        "DENY shop/deny: spec.rules[1] does not match: destination.port is 8080, wanted 1 or 2");
  CHECK(step(allow({{.from = {{namespaces({"a"}), trust_domains({"td2"})},
                              {namespaces({"shop"}), accounts({"shop/db", "a/x"})}}}})) ==
        "ALLOW shop/allow: spec.rules[0] does not match: "
        "source.serviceAccount is shop/web, wanted shop/db or a/x");
  CHECK(step(allow({{.when = {ips({"10.0.0.0/8"}), ips({"192.0.2.0/24", "fd00::/8", "0.0.0.0/0"}),
                              principals({"x"})}}}),
             web.at("10.0.0.1")) ==
        "ALLOW shop/allow: spec.rules[0] does not match: source.principal is td1/ns/shop/sa/web, "
        "wanted x");
  CHECK(step(allow({{.from = {{principals({"a*", "*b", "*"})}}}}), plaintext()) ==
        "ALLOW shop/allow: spec.rules[0] does not match: "
        "source.principal does not exist (plaintext), wanted a*, *b or *");
  CHECK(step(allow({{.from = {{namespaces({"*"})}}}}), as("td1/x")) ==
        "ALLOW shop/allow: spec.rules[0] does not match: "
        "source.namespace does not exist in spiffe://td1/x, wanted *");
}

TEST_CASE("evaluator: a policy that does not match by its exceptions, they are named") {
  CHECK(step(allow({{.when = {none_of(ips({"10.0.0.0/8"}))}}})) ==
        "ALLOW shop/allow: spec.rules[0] does not match: source.ip is 10.0.0.1, "
        "wanted not 10.0.0.0/8");
  CHECK(step(allow({{.when = {none_of(own_ips({"fd00::/8", "0.0.0.0/0"}))}}})) ==
        "ALLOW shop/allow: spec.rules[0] does not match: destination.ip is 10.0.9.9, "
        "wanted none of fd00::/8, 0.0.0.0/0");
}

TEST_CASE("evaluator: many values, a few and how many more") {
  CHECK(step(allow({{.to = {{ports({1, 2, 3, 4, 5})}}}})).ends_with("wanted 1, 2, 3, 4 or 5"));
  CHECK(step(allow({{.to = {{ports({1, 2, 3, 4, 5, 6})}}}}))
            .ends_with("wanted 1, 2, 3, 4 or one of 2 more"));
  CHECK(step(allow({{.to = {{none_of(ports({1, 2, 3, 4, 5, 8080}))}}}}))
            .ends_with("wanted none of 1, 2, 3, 4, 2 more"));
}

TEST_CASE("evaluator: policies that match or cannot, said so and whether they decide") {
  CHECK(step(allow({{}})) == "ALLOW shop/allow: spec.rules[0] matches");
  CHECK(step(dry_run(deny({{}}))) ==
        "DENY shop/deny (dry-run, decides nothing): spec.rules[0] matches");
  CHECK(step(audit({{}})) == "AUDIT shop/audit (decides nothing): spec.rules[0] matches");
  CHECK(step(custom({{.never = true}})) ==
        "CUSTOM shop/custom: spec.rules[0] can match nothing, for what it says cannot be judged "
        "here");
}

TEST_CASE("evaluator: the steps of a set, one for each policy in its order") {
  const PolicySet set = set_of({custom({}), dry_run(deny({{}})), allow({{.to = {{ports({1})}}}}),
                                allow({{}}, "second"), audit({{}})});
  const auto steps = explain(set, web.subject());
  REQUIRE(steps.size() == 5);
  const bool matches[] = {false, true, false, true, true};
  const bool decides[] = {true, false, true, true, false};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    INFO(i);
    CHECK(steps[i].policy == set.policies[i].get());
    CHECK(steps[i].matches == matches[i]);
    CHECK(steps[i].decides == decides[i]);
  }
  CHECK(steps[0].rule == nullptr);
  CHECK(steps[0].failed == nullptr);
  CHECK(steps[1].rule == &set.policies[1]->rules[0]);
  CHECK(steps[1].failed == nullptr);
  CHECK(steps[2].rule == &set.policies[2]->rules[0]);
  CHECK(steps[2].failed == &set.policies[2]->rules[0].to[0][0]);
}

}  // namespace
