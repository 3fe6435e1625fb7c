// SPDX-License-Identifier: Apache-2.0
#include "policies.h"

#include <algorithm>

#include "culvert/log.h"
#include "policy_contents.h"

namespace culvert {

namespace {

// So many new identities at once are cheaper to compile in than to add one by one.
constexpr std::size_t added_one_by_one_max = 64;

bool asks_destination(const Conjunction &conditions) {
  return std::ranges::any_of(conditions, [](const Condition &condition) {
    return condition.attribute == Attribute::destination_ip;
  });
}

bool asks_destination(const PolicySet &set) {
  for (const PolicyPtr &policy : set.policies) {
    for (const PolicyRule &rule : policy->rules) {
      if (asks_destination(rule.when)) return true;
    }
  }
  return false;
}

}  // namespace

// ---- identities ----

void Policies::know(const SnapshotPtr &snapshot) {
  if (snapshot_ != nullptr && snapshot->shares_addresses(*snapshot_)) {
    snapshot_ = snapshot;  // policies alone bring no identity
    return;
  }
  const std::uint32_t known = numbers_.size();
  const auto &before = snapshot_ != nullptr ? snapshot_->workloads : std::vector<WorkloadPtr>();
  for (std::size_t i = 0; i < snapshot->workloads.size(); ++i) {
    const WorkloadPtr &workload = snapshot->workloads[i];
    const bool seen = i < before.size() && before[i] == workload;
    if (!seen && workload->meshed) numbers_.add(workload->id);
  }
  snapshot_ = snapshot;
  if (numbers_.size() == known) return;
  for (auto &[key, live] : live_)
    add_identities(live, known);
  publish_numbers();
}

bool Policies::learn(const SpiffeId &id) {
  const std::uint32_t known = numbers_.size();
  numbers_.add(id);
  if (numbers_.size() == known) return false;
  for (auto &[key, live] : live_)
    add_identities(live, known);
  publish_numbers();
  return true;
}

// The kernel first, the data threads after: nothing is judged by a number without its classes.
void Policies::publish_numbers() {
  auto all = std::make_shared<NumberByIdentity>();
  all->reserve(numbers_.size());
  for (std::uint32_t number = 1; number <= numbers_.size(); ++number) {
    all->emplace(numbers_.identity(number)->text(), number);
  }
  published_ = std::move(all);
}

void Policies::add_identities(Live &live, std::uint32_t known) {
  if (live.compiled == nullptr) return;
  const PolicySetPtr set = live.in_force->set;
  std::vector<CompiledPolicy::IdentityClass> fresh;
  for (std::uint32_t number = known + 1; number <= numbers_.size(); ++number) {
    const auto found = live.compiled->classify(*numbers_.identity(number));
    if (!found || fresh.size() == added_one_by_one_max) return build(live, set);
    if (*found != 0) fresh.push_back({number, *found});
  }
  const bool tried = live.dry_run.learn(*set, numbers_, known, live.own);
  if (fresh.empty() && !tried) return;
  CompiledPolicy next = *live.compiled;
  for (const auto &identity : fresh) {
    auto added = maps_.add_identity(live.in_force->number, identity.identity, identity.number);
    if (!added) return close(live, set, added.error().text);
    next = next.with(identity);
  }
  live.compiled = std::make_shared<const CompiledPolicy>(std::move(next));
  put_in_force(live, live.in_force->number, set);
}

void Policies::put_in_force(Live &live, std::uint32_t number, PolicySetPtr set) {
  live.in_force = std::make_shared<const InForce>(
      InForce{.number = number,
              .set = std::move(set),
              .table = std::make_shared<const PolicyTable>(*live.compiled),
              .dry_run = live.dry_run.table(),
              .problem = {}});
}

// ---- sets ----

Policies::InForcePtr Policies::enforce(const Workload &workload) {
  const PolicySetPtr &set = workload.policies;
  const bool own = asks_destination(*set);
  const auto [place, added] =
      live_.try_emplace({set.get(), own ? workload.ips : std::vector<Ip>()}, Live{});
  Live &live = place->second;
  if (added) live.own = workload.ips;
  if (added || live.compiled == nullptr) build(live, set);
  return live.in_force;
}

void Policies::build(Live &live, PolicySetPtr set) {
  auto compiled = CompiledPolicy::compile(*set, numbers_, live.own);
  if (!compiled) return close(live, std::move(set), compiled.error().text);
  const std::uint32_t number = maps_.new_set();
  auto written = maps_.add_set(number, contents_of(*compiled));
  if (!written) return close(live, std::move(set), written.error().text);
  if (live.compiled != nullptr) retired_.push_back(live.in_force->number);
  live.compiled = std::make_shared<const CompiledPolicy>(std::move(*compiled));
  live.dry_run.build(*set, numbers_, live.own);
  put_in_force(live, number, std::move(set));
}

void Policies::close(Live &live, PolicySetPtr set, std::string problem) {
  if (live.in_force == nullptr || live.in_force->problem != problem) {
    log_event(LogLevel::error, "policies not in force, their workloads are closed",
              {{"error", problem}});
  }
  if (live.compiled != nullptr) retired_.push_back(live.in_force->number);
  live.compiled = nullptr;
  live.in_force = std::make_shared<const InForce>(InForce{.number = 0,
                                                          .set = std::move(set),
                                                          .table = nullptr,
                                                          .dry_run = nullptr,
                                                          .problem = std::move(problem)});
}

void Policies::collect() {
  for (auto live = live_.begin(); live != live_.end();) {
    if (live->second.in_force.use_count() > 1) {
      ++live;
      continue;
    }
    if (live->second.compiled != nullptr) retired_.push_back(live->second.in_force->number);
    live = live_.erase(live);
  }
  if (!retired_.empty()) maps_.remove_sets(retired_);
  retired_.clear();
}

std::vector<std::string> Policies::problems() const {
  std::vector<std::string> all;
  for (const auto &[key, live] : live_) {
    if (!live.in_force->problem.empty()) all.push_back(live.in_force->problem);
  }
  return all;
}

}  // namespace culvert
