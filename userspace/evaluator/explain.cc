// SPDX-License-Identifier: Apache-2.0
// The walk once more, without stopping at the first answer: what every policy makes of a
// connection.
#include <algorithm>

#include "condition.h"
#include "culvert/evaluator.h"
#include "text.h"

namespace culvert {
namespace {

using evaluator::any_holds;
using evaluator::failure_text;
using evaluator::holds;

std::vector<const Condition *> failures(const Conjunction &conjunction,
                                        const PolicySubject &subject) {
  std::vector<const Condition *> out;
  for (const Condition &condition : conjunction) {
    if (!holds(condition, subject)) out.push_back(&condition);
  }
  return out;
}

// The first failure of the alternative that has the fewest.
const Condition *failure(const std::vector<Conjunction> &alternatives,
                         const PolicySubject &subject) {
  if (any_holds(alternatives, subject)) return nullptr;
  std::vector<std::vector<const Condition *>> all;
  all.reserve(alternatives.size());
  for (const Conjunction &conjunction : alternatives) {
    all.push_back(failures(conjunction, subject));
  }
  return std::ranges::min(all, {}, [](const auto &failed) { return failed.size(); }).front();
}

const Condition *failure(const PolicyRule &rule, const PolicySubject &subject) {
  if (const Condition *failed = failure(rule.from, subject)) return failed;
  if (const Condition *failed = failure(rule.to, subject)) return failed;
  return holds(rule.when, subject) ? nullptr : failures(rule.when, subject).front();
}

int parts_that_match(const PolicyRule &rule, const PolicySubject &subject) {
  return any_holds(rule.from, subject) + any_holds(rule.to, subject) + holds(rule.when, subject);
}

std::string outcome(const PolicyStep &step, const PolicySubject &subject) {
  if (step.rule == nullptr) return "has no rules, so it never matches";
  if (step.matches) return step.rule->path + " matches";
  if (step.failed == nullptr) {
    return step.rule->path + " can match nothing, for what it says cannot be judged here";
  }
  return step.rule->path + " does not match: " + failure_text(*step.failed, subject);
}

std::string title(const AuthorizationPolicy &policy) {
  std::string out = evaluator::text(policy.action) + " " + policy.key();
  if (policy.dry_run) return out + " (dry-run, decides nothing)";
  if (policy.action == PolicyAction::audit) return out + " (decides nothing)";
  return out;
}

PolicyStep step_of(const AuthorizationPolicy &policy, const PolicySubject &subject) {
  PolicyStep step;
  step.policy = &policy;
  step.decides = !policy.dry_run && policy.action != PolicyAction::audit;
  int most = -1;
  for (const PolicyRule &rule : policy.rules) {
    const int parts = parts_that_match(rule, subject);
    step.matches = parts == 3 && !rule.never;
    if (step.matches || parts > most) step.rule = &rule;
    if (step.matches) break;
    most = std::max(most, parts);
  }
  if (step.rule != nullptr && !step.matches) step.failed = failure(*step.rule, subject);
  step.text = title(policy) + ": " + outcome(step, subject);
  return step;
}

}  // namespace

std::vector<PolicyStep> explain(const PolicySet &set, const PolicySubject &subject) {
  std::vector<PolicyStep> out;
  out.reserve(set.policies.size());
  for (const PolicyPtr &policy : set.policies)
    out.push_back(step_of(*policy, subject));
  return out;
}

}  // namespace culvert
