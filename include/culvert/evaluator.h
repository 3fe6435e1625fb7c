// SPDX-License-Identifier: Apache-2.0
// evaluator: may this connection be made, and why? The meaning that policy_set.h states, walked
// policy by policy, rule by rule, condition by condition. It is the reference by which the compiled
// form is checked and the voice of `culvert explain`: simple before fast, for the control thread
// and tests only. It shares no code with room policy, or it would share its mistakes.
//
// The pointers in answers point into the set that was asked.
#pragma once

#include <string>
#include <vector>

#include "culvert/address.h"
#include "culvert/identity.h"
#include "culvert/policy_set.h"

namespace culvert {

struct PolicySubject {
  const SpiffeId *peer = nullptr;  // null: plaintext
  Ip client;
  Endpoint destination;  // the workload's own address and port
};

struct PolicyDecision {
  bool allowed = false;
  // The first policy that says so. Denied because no ALLOW policy matches: the first of those.
  // Null: allowed, because there are none.
  const AuthorizationPolicy *policy = nullptr;
  const PolicyRule *rule = nullptr;  // the first of `policy` that matches; null: none does
  std::string text() const;  // "allowed by AuthorizationPolicy shop/web, spec.rules[0]"
  bool operator==(const PolicyDecision &) const = default;
};

PolicyDecision evaluate(const PolicySet &set, const PolicySubject &subject);
// What would be decided if dry-run policies were in force.
PolicyDecision evaluate_with_dry_run(const PolicySet &set, const PolicySubject &subject);

// What one policy makes of the connection, whether or not the decision depends on it.
struct PolicyStep {
  const AuthorizationPolicy *policy = nullptr;
  bool matches = false;
  bool decides = false;  // neither AUDIT nor dry-run
  // The first rule that matches, else the nearest: of which most of from, to and when match, the
  // first of those. Null: the policy has no rules.
  const PolicyRule *rule = nullptr;
  // What fails in the nearest rule: of `from` or `to`, in the alternative that comes closest. Null:
  // nothing, since it matches, or since the rule can match nothing (`never`).
  const Condition *failed = nullptr;
  // "ALLOW shop/web: spec.rules[0] does not match: source.namespace is b, wanted a"
  std::string text;
};
// Of every policy of the set, in its order.
std::vector<PolicyStep> explain(const PolicySet &set, const PolicySubject &subject);

}  // namespace culvert
