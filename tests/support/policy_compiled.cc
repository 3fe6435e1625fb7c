// SPDX-License-Identifier: Apache-2.0
#include "policy_compiled.h"

#include <algorithm>

namespace culvert {

Result<CompiledCase, Problem> CompiledCase::create(const PolicyCase &c) {
  IdentityNumbers known;
  for (const SpiffeId &id : c.identities)
    known.add(id);
  CompiledCase out(c, TRY(CompiledPolicy::compile(c.set, known, c.addresses)));
  for (const SpiffeId &id : c.strangers)
    TRY(out.learn(id, known));
  CompiledPolicy whole = out.policy_;
  for (const auto &identity : out.learnt_)
    whole = whole.with(identity);
  out.after_ = PolicyTable(whole);
  return out;
}

CompiledCase::CompiledCase(const PolicyCase &c, CompiledPolicy policy)
    : case_(c), policy_(std::move(policy)), before_(policy_), after_(policy_) {}

Result<void, Problem> CompiledCase::learn(const SpiffeId &id, IdentityNumbers &known) {
  const auto number = policy_.classify(id);
  const std::uint32_t identity = known.add(id);
  if (!number) {
    policy_ = TRY(CompiledPolicy::compile(case_.set, known, case_.addresses));
    learnt_.clear();
  } else if (*number != 0) {
    learnt_.push_back({identity, *number});
  }
  return {};
}

std::uint32_t CompiledCase::number(const PolicyQuestion &question) {
  return static_cast<std::uint32_t>(question.peer);
}

std::string CompiledCase::compare(const PolicyQuestion &question,
                                  const verdict_answer &should) const {
  const PolicySubject asked = subject(case_, question);
  const PolicyTable::Question as_number{.identity = number(question),
                                        .client = asked.client,
                                        .port = asked.destination.port,
                                        .is_v6 = !asked.destination.ip.is_v4()};
  const verdict_answer after = after_.judge(as_number);
  if (!same(after, should)) return "lookup: " + text(after) + "; evaluate: " + text(should);
  if (question.is_stranger(case_)) return "";
  const verdict_answer before = before_.judge(as_number);
  if (same(before, should)) return "";
  return "lookup before strangers: " + text(before) + "; evaluate: " + text(should);
}

verdict_answer expected(const PolicySet &set, const PolicyDecision &decision) {
  const auto verdict = decision.allowed ? VERDICT_ALLOW : VERDICT_DENY;
  if (decision.policy == nullptr) return {verdict, VERDICT_NO_POLICY, 0};
  const auto at = std::ranges::find(set.policies, decision.policy, &PolicyPtr::get);
  return {verdict, static_cast<std::uint16_t>(at - set.policies.begin()), 0};
}

bool same(const verdict_answer &a, const verdict_answer &b) {
  return a.verdict == b.verdict && a.policy == b.policy && a.pad == b.pad;
}

std::string text(const verdict_answer &answer) {
  const std::string verdict = answer.verdict == VERDICT_ALLOW  ? "allowed"
                              : answer.verdict == VERDICT_DENY ? "denied"
                                                               : "neither";
  if (answer.policy == VERDICT_NO_POLICY) return verdict + " by no policy";
  return verdict + " by policy " + std::to_string(answer.policy);
}

}  // namespace culvert
