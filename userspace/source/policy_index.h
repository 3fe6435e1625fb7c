// SPDX-License-Identifier: Apache-2.0
// Which AuthorizationPolicies select a pod. Policies are found by namespace and by one label of
// their selector, never by looking at all of them for each pod.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "build.h"

namespace culvert {

bool selects(const Labels &selector, const Labels &labels);

struct RankedPolicy {
  PolicyPtr policy;
  const PolicyScope *scope = nullptr;
  bool is_of_mesh(const MeshSettings &mesh) const {
    return scope->any_namespace || policy->ns == mesh.root_namespace;
  }
};
using RankedPolicies = std::vector<RankedPolicy>;

// Fills `snapshot.policies`, which is empty, and adds their errors; unchanged ones are `previous`'s
// (may be null). Those that select pods, in the order of decision; `joined` outlives them.
RankedPolicies rank_policies(const Joined &joined, const Snapshot *previous, Snapshot &snapshot);

class PolicyIndex {
 public:
  // `sets`: those in use. They, and what the policies point to, outlive the index.
  PolicyIndex(RankedPolicies policies, const MeshSettings &mesh, PolicySets &sets);

  // The set of a pod; the same object for all pods with the same policies.
  PolicySetPtr of(const Metadata &pod);

 private:
  using Label = std::pair<std::string_view, std::string_view>;
  struct LabelHash {
    std::size_t operator()(const Label &label) const noexcept;
  };
  using Ranks = std::vector<std::uint32_t>;  // in ranked_
  struct Scope {
    std::uint32_t number = 0;  // 0: it has no policies for every pod, beyond the mesh's
    Ranks everyone;
    std::unordered_map<Label, Ranks, LabelHash> by_label;
  };
  struct Choice {  // which decides the set
    std::uint32_t scope = 0;
    Ranks by_label;
    bool operator==(const Choice &) const = default;
  };
  struct ChoiceHash {
    std::size_t operator()(const Choice &choice) const noexcept;
  };

  void place(std::uint32_t rank, Scope &scope,
             const std::unordered_map<Label, std::size_t, LabelHash> &uses);
  void add_matching(const Scope &scope, const Metadata &pod, Ranks &ranks) const;
  PolicySetPtr make(const Scope *own, const Choice &choice);

  RankedPolicies ranked_;
  Scope mesh_;
  std::unordered_map<std::string_view, Scope> namespaces_;
  std::unordered_map<Choice, PolicySetPtr, ChoiceHash> chosen_;
  PolicySets &sets_;
};

}  // namespace culvert
