// SPDX-License-Identifier: Apache-2.0
#include <unordered_map>

#include "admin.h"
#include "culvert/observe_policies.h"

namespace culvert {
namespace {

// How many meshed workloads each policy selects. Workloads share sets: each is looked at once.
using Selected = std::unordered_map<const AuthorizationPolicy *, std::uint64_t>;

Selected count_selected(const Snapshot &snapshot) {
  std::unordered_map<const PolicySet *, std::uint64_t> sets;
  for (const WorkloadPtr &workload : snapshot.workloads) {
    if (workload->policies != nullptr) ++sets[workload->policies.get()];
  }
  Selected selected;
  for (const auto &[set, workloads] : sets) {
    for (const PolicyPtr &policy : set->policies)
      selected[policy.get()] += workloads;
  }
  return selected;
}

Json conditions_of(const Conjunction &conjunction) {
  Json list = Json::array();
  for (const Condition &condition : conjunction) {
    list.push_back({{"attribute", name(condition.attribute)},
                    {"negated", condition.negated},
                    {"values", texts(condition)}});
  }
  return list;
}

Json alternatives_of(const std::vector<Conjunction> &alternatives) {
  Json list = Json::array();
  for (const Conjunction &conjunction : alternatives)
    list.push_back(conditions_of(conjunction));
  return list;
}

Json rules_of(const AuthorizationPolicy &policy) {
  Json list = Json::array();
  for (const PolicyRule &rule : policy.rules) {
    list.push_back({{"path", rule.path},
                    {"matchesNothing", rule.never},
                    {"from", alternatives_of(rule.from)},
                    {"to", alternatives_of(rule.to)},
                    {"when", conditions_of(rule.when)}});
  }
  return list;
}

Json line_or_null(int line) { return line == 0 ? Json(nullptr) : Json(line); }

Json notes_of(const AuthorizationPolicy &policy) {
  Json list = Json::array();
  for (const PolicyNote &note : policy.notes) {
    list.push_back({{"path", note.path}, {"line", line_or_null(note.line)}, {"text", note.text}});
  }
  return list;
}

Json policy_of(const AuthorizationPolicy &policy, std::uint64_t workloads, const PolicyHits &hits) {
  return {{"namespace", policy.ns},
          {"name", policy.name},
          {"action", name(policy.action)},
          {"dryRun", policy.dry_run},
          {"selects", policy.selects},
          {"workloads", workloads},
          {"rules", rules_of(policy)},
          {"hits", {{"allowed", hits.allowed}, {"denied", hits.denied}}},
          {"notes", notes_of(policy)},
          {"file", policy.file},
          {"line", line_or_null(policy.line)}};
}

bool is_of_policy(const ResourceError &error) {
  return error.object.starts_with("AuthorizationPolicy") ||
         error.object.starts_with("PeerAuthentication");
}

}  // namespace

std::string policies_json(const PoliciesInput &input) {
  const Selected selected = count_selected(input.snapshot);
  Json policies = Json::array(), refused = Json::array(), problems = Json::array();
  for (std::size_t i = 0; i < input.snapshot.policies.size(); ++i) {
    const PolicyPtr &policy = input.snapshot.policies[i];
    const auto found = selected.find(policy.get());
    policies.push_back(policy_of(*policy, found == selected.end() ? 0 : found->second,
                                 i < input.hits.size() ? input.hits[i] : PolicyHits()));
  }
  for (const ResourceError &error : input.snapshot.errors) {
    if (!is_of_policy(error)) continue;
    refused.push_back({{"object", error.object},
                       {"error", error.text},
                       {"file", error.file},
                       {"line", line_or_null(error.line)}});
  }
  for (const std::string &problem : input.problems)
    problems.push_back(problem);
  return document({{"policies", policies}, {"refused", refused}, {"problems", problems}});
}

}  // namespace culvert
