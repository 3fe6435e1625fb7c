// SPDX-License-Identifier: Apache-2.0
// A million random connections: whoever judges policies says the same of each. Here: the evaluator,
// the boxes, and the compiled set as user space looks it up; tests/bpf/policy_kernel_test.cc asks
// the kernel.
#include <catch2/catch_test_macros.hpp>

#include "policy_boxes.h"
#include "policy_compiled.h"
#include "policy_seed.h"
#include "scale.h"

namespace {

using namespace culvert;

constexpr std::uint64_t cases_per_seed = 2000, fresh_cases = 10000;
constexpr int questions_per_case = 110;
constexpr std::uint64_t fixed_seeds[] = {1, 2, 3, 20260101, 0xffffffffffffffff};

// The steps say what the decision says, and each what the boxes say of its policy.
std::string compare_steps(const PolicyCase &c, const PolicyBoxes &boxes,
                          const PolicyQuestion &question) {
  const std::vector<PolicyStep> steps = explain(c.set, subject(c, question));
  if (steps.size() != c.set.policies.size()) return "explain: not one step for each policy";
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const AuthorizationPolicy &policy = *c.set.policies[i];
    const auto number = boxes.matching_rule(i, question);
    if (steps[i].matches != number.has_value()) return "explain: a policy matches by one only";
    if (number && steps[i].rule != &policy.rules[*number]) return "explain: another rule matches";
    if (number && steps[i].failed != nullptr) return "explain: a condition of what matches fails";
    if (!number && !policy.rules.empty()) {
      if (steps[i].rule == nullptr) return "explain: no nearest rule";
      if (steps[i].failed == nullptr && !steps[i].rule->never) return "explain: nothing fails";
    }
  }
  return "";
}

// "" if all agree.
std::string compare(const PolicyCase &c, const PolicyBoxes &boxes, const CompiledCase &compiled,
                    const PolicyQuestion &question) {
  const PolicySubject asked = subject(c, question);
  const PolicyDecision decision = evaluate(c.set, asked);
  const PolicyDecision by_boxes = boxes.decide(question, false);
  if (decision != by_boxes) return "evaluate: " + decision.text() + "; boxes: " + by_boxes.text();
  const PolicyDecision dry = evaluate_with_dry_run(c.set, asked);
  const PolicyDecision dry_by_boxes = boxes.decide(question, true);
  if (dry != dry_by_boxes) {
    return "dry-run: evaluate: " + dry.text() + "; boxes: " + dry_by_boxes.text();
  }
  // inbound_verdict.cc relies on it
  if (dry.allowed != decision.allowed && !dry.policy->dry_run)
    return "dry-run: not by one of those";
  return compiled.compare(question, expected(c.set, decision));
}

void run_case(std::uint64_t seed, std::uint64_t number) {
  PolicyGenerator generator(seed, number);
  const PolicyCase c = generator.next_case();
  const PolicyBoxes boxes(c);
  const auto compiled = CompiledCase::create(c);
  if (!compiled) FAIL("seed " << seed << " case " << number << ": " << compiled.error().text);
  for (int i = 0; i < questions_per_case; ++i) {
    const PolicyQuestion question = generator.next_question(c);
    std::string what = compare(c, boxes, *compiled, question);
    if (what.empty() && i % 16 == 0) what = compare_steps(c, boxes, question);
    if (!what.empty()) {
      FAIL("seed " << seed << " case " << number << ": " << what << "\n" << text(c, question));
    }
  }
}

TEST_CASE("policy property: the fixed seeds, evaluator, boxes and lookup agree") {
  for (const std::uint64_t seed : fixed_seeds) {
    for (std::uint64_t number = 0; number < scaled(cases_per_seed); ++number)
      run_case(seed, number);
  }
  STATIC_REQUIRE(std::size(fixed_seeds) * cases_per_seed * questions_per_case >= 1'000'000);
}

TEST_CASE("policy property: a fresh seed, evaluator, boxes and lookup agree") {
  const std::uint64_t seed = fresh_policy_seed();
  for (std::uint64_t number = 0; number < scaled(fresh_cases); ++number)
    run_case(seed, number);
  STATIC_REQUIRE(fresh_cases * questions_per_case >= 1'000'000);
}

}  // namespace
