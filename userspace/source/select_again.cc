// SPDX-License-Identifier: Apache-2.0
// New policies for the workloads of a Snapshot in which nothing else changed.
#include <algorithm>
#include <span>

#include "policy_index.h"

namespace culvert {
namespace {

using Replaced = std::unordered_map<const Workload *, WorkloadPtr>;

using Policies = std::span<const PolicyPtr>;

// Both lists are in the same order: mostly they differ in one place.
void drop_common_ends(Policies &a, Policies &b) {
  const auto first = std::ranges::mismatch(a, b);
  const auto common = static_cast<std::size_t>(first.in1 - a.begin());
  a = a.subspan(common);
  b = b.subspan(common);
  while (!a.empty() && !b.empty() && a.back() == b.back()) {
    a = a.first(a.size() - 1);
    b = b.first(b.size() - 1);
  }
}

void add_missing(Policies from, Policies in, Affected &affected) {
  const std::unordered_set<PolicyPtr> known(in.begin(), in.end());
  for (const PolicyPtr &policy : from) {
    if (known.contains(policy)) continue;
    affected.everywhere |= policy->selects.starts_with("mesh");
    affected.namespaces.insert(policy->ns);
  }
}

bool is_before(const WorkloadPtr &workload, const Key &key) {
  const int order = workload->ns.compare(key.first);
  return order < 0 || (order == 0 && workload->name < key.second);
}

// The pods of one namespace, or all of them; both they and the workloads are in the order of keys.
void select_pods(const Joined &joined, const std::string *ns, PolicyIndex &policies,
                 Snapshot &snapshot, Replaced &replaced) {
  const Key first{ns == nullptr ? std::string() : *ns, {}};
  auto place =
      std::lower_bound(snapshot.workloads.begin(), snapshot.workloads.end(), first, is_before);
  for (auto pod = joined.pods.lower_bound(first);
       pod != joined.pods.end() && (ns == nullptr || pod->first.first == *ns); ++pod) {
    while (place != snapshot.workloads.end() && is_before(*place, pod->first))
      ++place;
    if (place == snapshot.workloads.end()) return;
    const Workload &old = **place;
    if (old.name != pod->first.second || old.ns != pod->first.first || !old.meshed) continue;
    PolicySetPtr set = policies.of(pod->second.metadata());
    if (set == old.policies) continue;
    auto workload = std::make_shared<Workload>(old);
    workload->policies = std::move(set);
    replaced.emplace(place->get(), workload);
    *place = std::move(workload);
  }
}

void replace_endpoints(const Replaced &replaced, Snapshot &snapshot) {
  const auto is_replaced = [&](const ServiceEndpoint &endpoint) {
    return replaced.contains(endpoint.workload.get());
  };
  for (ServicePortPtr &place : snapshot.services) {
    if (std::ranges::none_of(place->endpoints, is_replaced)) continue;
    auto port = std::make_shared<ServicePort>(*place);
    for (ServiceEndpoint &endpoint : port->endpoints) {
      if (is_replaced(endpoint)) endpoint.workload = replaced.at(endpoint.workload.get());
    }
    place = std::move(port);
  }
}

}  // namespace

Affected affected_by(const std::vector<PolicyPtr> &before, const std::vector<PolicyPtr> &after) {
  Affected affected;
  Policies gone = before, come = after;
  drop_common_ends(gone, come);
  add_missing(gone, come, affected);
  add_missing(come, gone, affected);
  return affected;
}

// The previous Snapshot holds the old workloads, so that their addresses stay theirs meanwhile.
void select_again(const Joined &joined, const Affected &affected, PolicyIndex &policies,
                  Snapshot &snapshot) {
  Replaced replaced;
  if (affected.everywhere) {
    select_pods(joined, nullptr, policies, snapshot, replaced);
  } else {
    for (const std::string &ns : affected.namespaces)
      select_pods(joined, &ns, policies, snapshot, replaced);
  }
  if (!replaced.empty()) replace_endpoints(replaced, snapshot);
}

}  // namespace culvert
