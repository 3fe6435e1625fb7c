// SPDX-License-Identifier: Apache-2.0
#include "culvert/policy.h"

namespace culvert {
namespace {

Refusal judge_destination(const Workload *destination) {
  return destination == nullptr || !destination->meshed ? Refusal::pod_gone : Refusal::none;
}

Refusal judge_peer(const SpiffeId &peer, const Workload &destination) {
  return peer.trust_domain() == destination.id.trust_domain() ? Refusal::none
                                                              : Refusal::unknown_trust_domain;
}

}  // namespace

std::expected<Permit, Refusal> judge(const Connection &connection) {
  Refusal refusal = judge_destination(connection.destination);
  if (refusal == Refusal::none) refusal = judge_peer(connection.peer, *connection.destination);
  if (refusal != Refusal::none) return std::unexpected(refusal);
  return Permit(connection.port);
}

std::expected<Permit, Denial> judge(const Connection &connection, const Client &client,
                                    const PolicyTable *policies) {
  const bool plaintext = connection.peer.text().empty() && client.identity == IDENTITY_NONE;
  Refusal refusal = judge_destination(connection.destination);
  if (refusal == Refusal::none && !plaintext) {
    refusal = judge_peer(connection.peer, *connection.destination);
  }
  // A peer without a number must not pass for nobody: a DENY may name it.
  const bool unnumbered = !plaintext && client.identity == IDENTITY_NONE;
  if (refusal == Refusal::none && (policies == nullptr || unnumbered)) {
    refusal = Refusal::policy_pending;
  }
  if (refusal != Refusal::none) return std::unexpected(Denial{.reason = refusal});
  const verdict_answer answer = policies->judge({.identity = client.identity,
                                                 .client = client.address,
                                                 .port = connection.port,
                                                 .is_v6 = client.to_v6});
  if (answer.verdict != VERDICT_ALLOW) {
    return std::unexpected(Denial{.reason = Refusal::policy_denied, .policy = answer.policy});
  }
  return Permit(connection.port, answer.policy);
}

}  // namespace culvert
