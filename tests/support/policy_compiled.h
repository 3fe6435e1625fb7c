// SPDX-License-Identifier: Apache-2.0
// A random case as a node comes to have it: compiled for the identities it knows, the strangers
// learnt one by one afterwards; and whether the lookup then says what the evaluator says.
#pragma once

#include <string>
#include <vector>

#include "culvert/compiled_policy.h"
#include "policy_cases.h"

namespace culvert {

class CompiledCase {
 public:
  static Result<CompiledCase, Problem> create(const PolicyCase &c);

  // Of the peer: IdentityNumbers counts from 1, as questions do.
  static std::uint32_t number(const PolicyQuestion &question);
  // "": the tables answer as they should, also before a stranger was learnt, if none asks.
  std::string compare(const PolicyQuestion &question, const verdict_answer &should) const;

  // What the kernel is given: the set first, then the classes of those learnt, one by one.
  const CompiledPolicy &policy() const { return policy_; }
  const std::vector<CompiledPolicy::IdentityClass> &learnt() const { return learnt_; }

 private:
  CompiledCase(const PolicyCase &c, CompiledPolicy policy);
  Result<void, Problem> learn(const SpiffeId &id, IdentityNumbers &known);

  const PolicyCase &case_;
  CompiledPolicy policy_;
  std::vector<CompiledPolicy::IdentityClass> learnt_;
  PolicyTable before_, after_;
};

// The evaluator's answer in the words of verdict.h.
verdict_answer expected(const PolicySet &set, const PolicyDecision &decision);
bool same(const verdict_answer &a, const verdict_answer &b);
std::string text(const verdict_answer &answer);

}  // namespace culvert
