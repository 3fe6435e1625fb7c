// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "condition.h"

namespace culvert {
namespace evaluator {
namespace {

constexpr std::size_t values_shown_max = 4;  // a sentence, not a dump: policies name thousands

// "a", "a, b or c", "a, b, c, d or one of 96 more"; negated: "not a", "none of a, b, c"
std::string values_text(const Condition &condition) {
  std::vector<std::string> values = texts(condition);
  std::ranges::replace(values, std::string(), std::string("\"\""));
  if (values.empty()) return "one of no values";
  const std::string_view before_last = condition.negated ? ", " : " or ";
  std::string out = !condition.negated ? "" : values.size() == 1 ? "not " : "none of ";
  if (values.size() > values_shown_max + 1) {
    const std::size_t hidden = values.size() - values_shown_max;
    values.resize(values_shown_max);
    values.push_back((condition.negated ? "" : "one of ") + std::to_string(hidden) + " more");
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += i + 1 == values.size() ? before_last : ", ";
    out += values[i];
  }
  return out;
}

// " is b", or why there is nothing.
std::string actual_text(Attribute attribute, const PolicySubject &subject) {
  if (attribute == Attribute::source_ip) return " is " + subject.client.text();
  if (attribute == Attribute::destination_ip) return " is " + subject.destination.ip.text();
  if (attribute == Attribute::destination_port) {
    return " is " + std::to_string(subject.destination.port);
  }
  if (const auto name = source_name(attribute, subject.peer)) return " is " + *name;
  if (subject.peer == nullptr) return " does not exist (plaintext)";
  return " does not exist in " + subject.peer->text();
}

}  // namespace

std::string text(PolicyAction action) {
  switch (action) {
    case PolicyAction::custom:
      return "CUSTOM";
    case PolicyAction::deny:
      return "DENY";
    case PolicyAction::allow:
      return "ALLOW";
    case PolicyAction::audit:
      return "AUDIT";
  }
  return "?";
}

std::string failure_text(const Condition &condition, const PolicySubject &subject) {
  return std::string(name(condition.attribute)) + actual_text(condition.attribute, subject) +
         ", wanted " + values_text(condition);
}

}  // namespace evaluator

std::string PolicyDecision::text() const {
  if (policy == nullptr) return "allowed: no ALLOW policy selects the workload";
  const std::string object = "AuthorizationPolicy " + policy->key();
  if (rule == nullptr) return "denied: no ALLOW policy matches, the first of them is " + object;
  const bool custom = policy->action == PolicyAction::custom;
  return (allowed ? "allowed by " : "denied by ") + object + ", " + rule->path +
         (custom ? " (CUSTOM, for which there is no provider here)" : "");
}

}  // namespace culvert
