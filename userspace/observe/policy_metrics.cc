// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "culvert/observe_policies.h"
#include "metrics.h"

namespace culvert {
namespace {

void add(Families &families, const AuthorizationPolicy &policy, const PolicyHits &hits) {
  const auto row = [&](std::string_view verdict, std::uint64_t count) {
    families.add(
        {label("namespace", policy.ns), label("policy", policy.name), label("verdict", verdict)},
        count);
  };
  row("allowed", hits.allowed);
  row("denied", hits.denied);
}

}  // namespace

PolicyHitSums sum_hits(std::span<const ThreadReport> reports, PolicyHitsByKey ThreadReport::*part) {
  PolicyHitSums sums;
  for (const ThreadReport &report : reports) {
    for (const auto &[key, hits] : report.*part) {
      sums[key].allowed += hits.allowed;
      sums[key].denied += hits.denied;
    }
  }
  return sums;
}

// By key, once each: policies of one name in two places are one series.
void add_policies(Families &families, const MetricsInput &input) {
  std::vector<PolicyPtr> policies(input.policies.begin(), input.policies.end());
  std::ranges::sort(policies, {}, &AuthorizationPolicy::key);
  const auto rest = std::ranges::unique(policies, {}, &AuthorizationPolicy::key);
  policies.erase(rest.begin(), rest.end());
  auto decided = sum_hits(input.reports, &ThreadReport::policies);
  auto would = sum_hits(input.reports, &ThreadReport::dry_run);
  families.counter("culvert_policy_verdicts_total", "inbound connections that a policy decided");
  for (const PolicyPtr &policy : policies) {
    const bool decides = !policy->dry_run && policy->action != PolicyAction::audit;
    if (decides) add(families, *policy, decided[policy->key()]);
  }
  families.counter("culvert_policy_dry_run_total",
                   "inbound connections that a dry-run policy would have decided the other way");
  for (const PolicyPtr &policy : policies) {
    if (policy->dry_run) add(families, *policy, would[policy->key()]);
  }
}

}  // namespace culvert
