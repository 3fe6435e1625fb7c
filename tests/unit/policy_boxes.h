// SPDX-License-Identifier: Apache-2.0
// The meaning of a policy set a second time, as unlike the evaluator as can be: who and what a case
// may ask with are three short lists, so a condition is a table of bits over one of them, a rule
// the boxes that its from × to × when cut out of the three, and a policy a heap of boxes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "policy_cases.h"

namespace culvert {

struct PolicyBox {
  std::uint64_t peers = ~0ULL, clients = ~0ULL, destinations = ~0ULL;
  std::size_t rule = 0;
};

class PolicyBoxes {
 public:
  explicit PolicyBoxes(const PolicyCase &c);
  // The first rule of a policy, by its number in the set, that has the connection in a box.
  std::optional<std::size_t> matching_rule(std::size_t policy,
                                           const PolicyQuestion &question) const;
  PolicyDecision decide(const PolicyQuestion &question, bool with_dry_run) const;

 private:
  PolicyBox box(const Condition &condition) const;
  PolicyBox box(const Conjunction &conjunction) const;
  std::vector<PolicyBox> boxes(const PolicyRule &rule, std::size_t number) const;

  struct Names {  // of a peer, by Attribute
    std::optional<std::string> text[4];
  };
  const PolicySet &set_;
  std::vector<Names> peers_;
  std::vector<std::string> clients_, own_;  // "4:01…" or "6:01…"
  std::vector<std::uint16_t> ports_;
  std::vector<std::vector<PolicyBox>> policies_;
};

}  // namespace culvert
