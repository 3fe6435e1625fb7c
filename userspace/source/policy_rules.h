// SPDX-License-Identifier: Apache-2.0
// spec.rules → PolicyRule. What cannot be read or judged never makes a policy wider: an ALLOW rule
// that has any never matches; a rule of another action loses the condition, and so matches more.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "culvert/policy_set.h"
#include "policy_values.h"

namespace culvert {

class RuleReader {
 public:
  // Both outlive the reader. Fills `policy.rules`, and `policy.notes` by what it finds; `errors`
  // has those notes that are mistakes. What belongs to HTTP is none.
  RuleReader(const ValueContext &context, AuthorizationPolicy &policy,
             std::vector<PolicyNote> &errors)
      : context_(context), policy_(policy), errors_(errors) {}

  void read(const YamlNode *rules);  // null: none
  // Something about the whole policy is wrong: as narrow as its action can be.
  void narrow(const YamlError &error);

 private:
  void read_rule(const YamlNode &node);
  void read_entries(const YamlNode &list, std::string_view of, std::vector<Conjunction> &entries);
  Conjunction read_entry(const YamlNode &entry, std::string_view of);
  void read_field(const YamlNode &field, std::string_view of, Conjunction &conditions);
  void check_accounts(const YamlNode &source, Conjunction &conditions);
  void read_when(const YamlNode &list);
  void read_when_entry(const YamlNode &entry);
  void add(const YamlNode &list, Attribute attribute, bool negated, Conjunction &conditions);

  void invalid(const YamlError &error);
  void beyond_l4(const YamlNode &node, const std::string &what);
  bool note(const YamlError &error, const std::string &effect);

  const ValueContext &context_;
  AuthorizationPolicy &policy_;
  std::vector<PolicyNote> &errors_;
  PolicyRule rule_;  // the one being read
};

}  // namespace culvert
