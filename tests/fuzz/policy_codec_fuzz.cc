// SPDX-License-Identifier: Apache-2.0
// Any bytes as a policy set and who is there to ask: compiled, each lookup in the result says what
// the evaluator says.
#include <cstdio>

#include "support/policy_compiled.h"

namespace {

using namespace culvert;

void check(const PolicyCase &c, const PolicyQuestion &question, const std::string &difference) {
  if (!difference.empty()) {
    std::fprintf(stderr, "%s\n%s\n", difference.c_str(), text(c, question).c_str());
  }
  ENSURE(difference.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const PolicyCase c = PolicyGenerator(std::span(data, size)).next_case();
  const auto compiled = CompiledCase::create(c);
  check(c, {}, compiled ? "" : compiled.error().text);
  PolicyQuestion question;
  for (question.peer = 0; question.peer <= c.identities.size() + c.strangers.size();
       ++question.peer) {
    for (question.client = 0; question.client < c.clients.size(); ++question.client) {
      for (question.destination = 0; question.destination < c.destinations.size();
           ++question.destination) {
        const auto decision = evaluate(c.set, subject(c, question));
        check(c, question, compiled->compare(question, expected(c.set, decision)));
      }
    }
  }
  return 0;
}
