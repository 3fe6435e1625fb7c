// SPDX-License-Identifier: Apache-2.0
// What an inbound session asks the policies, at each OPEN and again with each new view. The
// daemon's verdict only refuses sooner: the kernel has the last word (bpf/last_word.h).
#include "inbound.h"

namespace culvert {

std::expected<Permit, Denial> InboundSession::judge_now() {
  const PodView *pod = thread_.pod(cookie_);
  const bool known = pod != nullptr;
  const Connection connection{tunnel_->facts().peer, known ? pod->workload.get() : nullptr,
                              local_.port};
  const Client client{.identity = number_, .address = client_.ip, .to_v6 = !local_.ip.is_v4()};
  auto permit = judge(connection, client, known ? pod->policies.get() : nullptr);
  account_.record.policy = policy_at(permit ? permit->policy() : permit.error().policy);
  account_.record.dry_run = nullptr;
  if (permit || permit.error().reason == Refusal::policy_denied) {
    try_dry_run(*pod, client, permit.has_value());
  }
  return permit;
}

// Where the answers differ, it is a dry-run policy that the other one names: a policy in force
// which denies does so in both, and one which allows can only be overruled.
void InboundSession::try_dry_run(const PodView &pod, const Client &client, bool allowed) {
  if (pod.dry_run == nullptr) return;
  const verdict_answer would = pod.dry_run->judge({.identity = client.identity,
                                                   .client = client.address,
                                                   .port = local_.port,
                                                   .is_v6 = client.to_v6});
  account_.record.dry_run_allows = would.verdict == VERDICT_ALLOW;
  if (account_.record.dry_run_allows != allowed) account_.record.dry_run = policy_at(would.policy);
}

void InboundSession::count(bool allowed) {
  const auto add = [](auto &all, const PolicyPtr &policy, bool allows) {
    if (policy == nullptr) return;
    PolicyHits &hits = all[policy->key()];
    ++(allows ? hits.allowed : hits.denied);
  };
  add(thread_.policy_hits, account_.record.policy, allowed);
  add(thread_.dry_run_hits, account_.record.dry_run, !allowed);
}

PolicyPtr InboundSession::policy_at(std::uint16_t index) const {
  const PodView *pod = thread_.pod(cookie_);
  if (pod == nullptr || pod->policy_set == nullptr) return nullptr;
  const auto &policies = pod->policy_set->policies;
  return index < policies.size() ? policies[index] : nullptr;
}

std::string InboundSession::peer() const {
  return plaintext() ? "a client in plaintext" : tunnel_->facts().peer.text();
}

std::string InboundSession::describe(const Denial &denial) const {
  const PolicyPtr policy = policy_at(denial.policy);
  if (policy == nullptr) return peer();
  const bool misses = policy->action == PolicyAction::allow;  // none of the ALLOW policies matches
  return peer() +
         (misses ? " is not allowed by AuthorizationPolicy "
                 : " is denied by AuthorizationPolicy ") +
         policy->key();
}

// A new view: what is no longer allowed ends, what still is goes on untouched.
bool InboundSession::judge_again() {
  const auto permit = judge_now();
  if (permit) return true;
  count(false);
  over(permit.error().reason, describe(permit.error()));
  return false;
}

}  // namespace culvert
