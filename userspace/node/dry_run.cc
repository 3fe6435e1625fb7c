// SPDX-License-Identifier: Apache-2.0
#include "dry_run.h"

#include <algorithm>

#include "culvert/log.h"

namespace culvert {
namespace {

PolicySet in_force(const PolicySet &set) {
  PolicySet out;
  for (const PolicyPtr &policy : set.policies) {
    auto made = std::make_shared<AuthorizationPolicy>(*policy);
    made->dry_run = false;
    out.policies.push_back(std::move(made));
  }
  return out;
}

}  // namespace

// A set that cannot be compiled is not tried: nothing is decided by it anyway.
void DryRun::build(const PolicySet &set, const IdentityNumbers &numbers,
                   const std::vector<Ip> &own) {
  compiled_.reset();
  table_.reset();
  if (std::ranges::none_of(set.policies, &AuthorizationPolicy::dry_run)) return;
  auto compiled = CompiledPolicy::compile(in_force(set), numbers, own);
  if (!compiled) {
    log_event(LogLevel::warn, "dry-run policies are not tried", {{"error", compiled.error().text}});
    return;
  }
  compiled_ = std::move(*compiled);
  table_ = std::make_shared<const PolicyTable>(*compiled_);
}

bool DryRun::learn(const PolicySet &set, const IdentityNumbers &numbers, std::uint32_t known,
                   const std::vector<Ip> &own) {
  if (!compiled_) return false;
  for (std::uint32_t number = known + 1; number <= numbers.size(); ++number) {
    if (compiled_->classify(*numbers.identity(number)) == 0U) continue;
    build(set, numbers, own);
    return true;
  }
  return false;
}

}  // namespace culvert
