// SPDX-License-Identifier: Apache-2.0
#include "policy_index.h"

#include <algorithm>
#include <functional>
#include <span>
#include <tuple>

namespace culvert {
namespace {

constexpr std::size_t mix(std::size_t hash, std::size_t value) {
  return (hash ^ value) * 0x9e3779b97f4a7c15U + (hash >> 29U);
}

const PolicySetPtr &empty_set() {
  static const PolicySetPtr set = std::make_shared<const PolicySet>();
  return set;
}

auto key_of(const AuthorizationPolicy &policy) {
  return std::tie(policy.ns, policy.name, policy.file, policy.line);
}

// The policies of the last Snapshot, asked for in the order of their keys.
class Known {
 public:
  explicit Known(const Snapshot *previous) {
    if (previous != nullptr) rest_ = previous->policies;
  }
  // What was said before in the same place, if it says the same.
  PolicyPtr instead_of(const PolicyPtr &policy) {
    if (!rest_.empty() && rest_.front() == policy) {
      rest_ = rest_.subspan(1);
      return policy;
    }
    while (!rest_.empty() && key_of(*rest_.front()) < key_of(*policy))
      rest_ = rest_.subspan(1);
    for (const PolicyPtr &known : rest_) {
      if (key_of(*known) != key_of(*policy)) break;
      if (known == policy || *known == *policy) return known;
    }
    return policy;
  }

 private:
  std::span<const PolicyPtr> rest_;
};

}  // namespace

bool selects(const Labels &selector, const Labels &labels) {
  return std::ranges::all_of(selector, [&](const auto &label) {
    const auto found = labels.find(label.first);
    return found != labels.end() && found->second == label.second;
  });
}

std::size_t PolicyIndex::LabelHash::operator()(const Label &label) const noexcept {
  return mix(std::hash<std::string_view>{}(label.first),
             std::hash<std::string_view>{}(label.second));
}

std::size_t PolicyIndex::ChoiceHash::operator()(const Choice &choice) const noexcept {
  std::size_t hash = choice.scope;
  for (const std::uint32_t rank : choice.by_label)
    hash = mix(hash, rank);
  return hash;
}

std::size_t PolicySetHash::operator()(const PolicySetPtr &set) const noexcept {
  std::size_t hash = set->policies.size();
  for (const PolicyPtr &policy : set->policies)
    hash = mix(hash, std::hash<PolicyPtr>{}(policy));
  return hash;
}

RankedPolicies rank_policies(const Joined &joined, const Snapshot *previous, Snapshot &snapshot) {
  RankedPolicies ranked;
  Known known(previous);
  for (const Entry &entry : joined.authorizations) {
    const auto &value = entry.as<AuthorizationObject>();
    for (const PolicyNote &error : value.errors) {
      snapshot.errors.push_back({*entry.file, error.line, entry.metadata().where(),
                                 (error.path.empty() ? "" : error.path + ": ") + error.text});
    }
    PolicyPtr policy = known.instead_of(value.policy);
    snapshot.policies.push_back(policy);
    if (!value.for_waypoints) ranked.push_back({std::move(policy), &value.scope});
  }
  // In the order of their keys already.
  std::ranges::stable_sort(ranked, {}, [](const RankedPolicy &one) { return one.policy->action; });
  return ranked;
}

PolicyIndex::PolicyIndex(RankedPolicies policies, const MeshSettings &mesh, PolicySets &sets)
    : ranked_(std::move(policies)), sets_(sets) {
  // Of a selector's labels the one that the fewest policies ask for tells most.
  std::unordered_map<Label, std::size_t, LabelHash> uses;
  for (const RankedPolicy &ranked : ranked_) {
    for (const auto &[key, value] : ranked.scope->selector)
      ++uses[{key, value}];
  }
  std::uint32_t scopes = 0;
  for (std::uint32_t rank = 0; rank < ranked_.size(); ++rank) {
    const std::string &ns = ranked_[rank].policy->ns;
    const bool of_mesh = ranked_[rank].is_of_mesh(mesh);
    Scope &scope = of_mesh ? mesh_ : namespaces_[ns];
    place(rank, scope, uses);
    if (!of_mesh && scope.number == 0 && !scope.everyone.empty()) scope.number = ++scopes;
  }
}

void PolicyIndex::place(std::uint32_t rank, Scope &scope,
                        const std::unordered_map<Label, std::size_t, LabelHash> &uses) {
  const Labels &selector = ranked_[rank].scope->selector;
  if (selector.empty()) return scope.everyone.push_back(rank);
  const auto rarest = std::ranges::min_element(
      selector, {}, [&](const auto &label) { return uses.at({label.first, label.second}); });
  scope.by_label[{rarest->first, rarest->second}].push_back(rank);
}

void PolicyIndex::add_matching(const Scope &scope, const Metadata &pod, Ranks &ranks) const {
  if (scope.by_label.empty()) return;
  for (const auto &[key, value] : pod.labels) {
    const auto found = scope.by_label.find({key, value});
    if (found == scope.by_label.end()) continue;
    for (const std::uint32_t rank : found->second) {
      if (selects(ranked_[rank].scope->selector, pod.labels)) ranks.push_back(rank);
    }
  }
}

PolicySetPtr PolicyIndex::of(const Metadata &pod) {
  const auto found = namespaces_.find(pod.ns);
  const Scope *own = found == namespaces_.end() ? nullptr : &found->second;
  Choice choice;
  choice.scope = own == nullptr ? 0 : own->number;
  add_matching(mesh_, pod, choice.by_label);
  if (own != nullptr) add_matching(*own, pod, choice.by_label);
  std::ranges::sort(choice.by_label);
  const auto chosen = chosen_.find(choice);
  if (chosen != chosen_.end()) return chosen->second;
  PolicySetPtr set = make(own, choice);
  chosen_.emplace(std::move(choice), set);
  return set;
}

PolicySetPtr PolicyIndex::make(const Scope *own, const Choice &choice) {
  Ranks ranks = choice.by_label;
  ranks.insert(ranks.end(), mesh_.everyone.begin(), mesh_.everyone.end());
  if (own != nullptr) ranks.insert(ranks.end(), own->everyone.begin(), own->everyone.end());
  if (ranks.empty()) return empty_set();
  std::ranges::sort(ranks);
  auto set = std::make_shared<PolicySet>();
  for (const std::uint32_t rank : ranks)
    set->policies.push_back(ranked_[rank].policy);
  return *sets_.insert(std::move(set)).first;
}

}  // namespace culvert
