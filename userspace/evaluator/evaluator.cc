// SPDX-License-Identifier: Apache-2.0
// The decision: CUSTOM, DENY, ALLOW, in this order whatever the order of the set.
#include "culvert/evaluator.h"

#include <algorithm>

#include "condition.h"

namespace culvert {
namespace {

const PolicyRule *matching_rule(const AuthorizationPolicy &policy, const PolicySubject &subject) {
  for (const PolicyRule &rule : policy.rules) {
    if (!rule.never && evaluator::any_holds(rule.from, subject) &&
        evaluator::any_holds(rule.to, subject) && evaluator::holds(rule.when, subject)) {
      return &rule;
    }
  }
  return nullptr;
}

using Policies = std::vector<const AuthorizationPolicy *>;

Policies with_action(const PolicySet &set, PolicyAction action, bool with_dry_run) {
  Policies out;
  for (const PolicyPtr &policy : set.policies) {
    if (policy->action == action && (with_dry_run || !policy->dry_run)) out.push_back(policy.get());
  }
  return out;
}

PolicyDecision decide(const PolicySet &set, const PolicySubject &subject, bool with_dry_run) {
  for (const PolicyAction action : {PolicyAction::custom, PolicyAction::deny}) {
    for (const AuthorizationPolicy *policy : with_action(set, action, with_dry_run)) {
      if (const PolicyRule *rule = matching_rule(*policy, subject)) return {false, policy, rule};
    }
  }
  const Policies allowing = with_action(set, PolicyAction::allow, with_dry_run);
  if (allowing.empty()) return {true, nullptr, nullptr};
  for (const AuthorizationPolicy *policy : allowing) {
    if (const PolicyRule *rule = matching_rule(*policy, subject)) return {true, policy, rule};
  }
  return {false, allowing.front(), nullptr};
}

}  // namespace

PolicyDecision evaluate(const PolicySet &set, const PolicySubject &subject) {
  return decide(set, subject, false);
}

PolicyDecision evaluate_with_dry_run(const PolicySet &set, const PolicySubject &subject) {
  return decide(set, subject, true);
}

}  // namespace culvert
