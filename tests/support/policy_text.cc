// SPDX-License-Identifier: Apache-2.0
// What failed, to read: "ALLOW a/p0 spec.rules[0]: from (ns=a* !ip=10.0.0.0/8) | (…) to … when …"
#include "policy_cases.h"

namespace culvert {
namespace {

const char *word(Attribute attribute) {
  switch (attribute) {
    case Attribute::source_principal:
      return "principal";
    case Attribute::source_namespace:
      return "ns";
    case Attribute::source_service_account:
      return "sa";
    case Attribute::source_trust_domain:
      return "td";
    case Attribute::source_ip:
      return "ip";
    case Attribute::destination_ip:
      return "own-ip";
    case Attribute::destination_port:
      return "port";
  }
  return "?";
}

const char *word(PolicyAction action) {
  constexpr const char *words[] = {"CUSTOM", "DENY", "ALLOW", "AUDIT"};
  return words[static_cast<std::size_t>(action)];
}

std::string text(const StringMatch &match) {
  const bool star_before = match.form == StringMatch::Form::suffix;
  const bool star_behind = match.form == StringMatch::Form::prefix;
  if (match.form == StringMatch::Form::present) return "*";
  return std::string(star_before ? "*" : "") + "'" + match.text + "'" + (star_behind ? "*" : "");
}

std::string text(const Condition &condition) {
  std::string values;
  for (const StringMatch &match : condition.strings)
    values += "," + text(match);
  for (const Cidr &cidr : condition.cidrs) {
    values += "," + cidr.base.text() + "/" + std::to_string(cidr.bits) + " of 128";
  }
  for (const std::uint16_t port : condition.ports)
    values += "," + std::to_string(port);
  return std::string(condition.negated ? "!" : "") + word(condition.attribute) + "=" +
         (values.empty() ? "" : values.substr(1));
}

std::string text(const Conjunction &conjunction) {
  std::string out;
  for (const Condition &condition : conjunction)
    out += " " + text(condition);
  return "(" + (out.empty() ? "" : out.substr(1)) + ")";
}

std::string text(const std::vector<Conjunction> &alternatives) {
  std::string out;
  for (const Conjunction &conjunction : alternatives)
    out += " " + text(conjunction);
  return out.empty() ? " any" : out;
}

}  // namespace

std::string text(const PolicySet &set) {
  std::string out;
  for (const PolicyPtr &policy : set.policies) {
    const std::string title = std::string(word(policy->action)) + " " + policy->key() +
                              (policy->dry_run ? " (dry-run)" : "");
    if (policy->rules.empty()) out += title + " without rules\n";
    for (const PolicyRule &rule : policy->rules) {
      out += title + " " + rule.path + (rule.never ? " (never)" : "") + ": from" + text(rule.from) +
             " to" + text(rule.to) + " when " + text(rule.when) + "\n";
    }
  }
  return out;
}

std::string text(const PolicyCase &c, const PolicyQuestion &question) {
  const PolicySubject asked = subject(c, question);
  std::string out = "from " + (asked.peer ? asked.peer->text() : "plaintext") +
                    (question.is_stranger(c) ? " (a stranger) at " : " at ") + asked.client.text() +
                    " to " + asked.destination.text() + "\n" + text(c.set);
  for (const PolicyStep &step : explain(c.set, asked))
    out += step.text + "\n";
  return out;
}

}  // namespace culvert
