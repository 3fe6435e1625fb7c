// SPDX-License-Identifier: Apache-2.0
// A policy as one line, for tables: "DENY: source.ip=10.0.0.0/8 & … | … to destination.port=80".
#pragma once

#include <string>
#include <string_view>

#include "culvert/policy_set.h"

namespace culvert {

inline std::string text(const StringMatch &match) {
  switch (match.form) {
    case StringMatch::Form::exact:
      return match.text;
    case StringMatch::Form::prefix:
      return match.text + "*";
    case StringMatch::Form::suffix:
      return "*" + match.text;
    case StringMatch::Form::present:
      break;
  }
  return "*" + match.text;
}

inline std::string text(const Cidr &cidr) {
  return cidr.base.text() + "/" + std::to_string(cidr.base.is_v4() ? cidr.bits - 96 : cidr.bits);
}

inline std::string text(std::uint16_t port) { return std::to_string(port); }

template <class T>
std::string joined(const std::vector<T> &values, std::string_view by) {
  std::string line;
  for (const T &value : values)
    line += (line.empty() ? "" : std::string(by)) + text(value);
  return line;
}

inline std::string text(const Condition &condition) {
  static constexpr std::string_view names[] = {"principal", "namespace", "account", "td",
                                               "ip",        "to-ip",     "port"};
  return std::string(names[static_cast<std::size_t>(condition.attribute)]) +
         (condition.negated ? "!=" : "=") + joined(condition.strings, ",") +
         joined(condition.cidrs, ",") + joined(condition.ports, ",");
}

inline std::string text(const Conjunction &conditions) {
  return conditions.empty() ? "any" : joined(conditions, " & ");
}

inline std::string text(const PolicyRule &rule) {
  std::string line = rule.never ? "never" : "";
  const auto add = [&](std::string_view word, const std::string &what) {
    if (!what.empty()) line += (line.empty() ? "" : " ") + std::string(word) + " " + what;
  };
  add("from", joined(rule.from, " | "));
  add("to", joined(rule.to, " | "));
  if (!rule.when.empty()) add("when", text(rule.when));
  return line.empty() ? "always" : line;
}

inline std::string text(const AuthorizationPolicy &policy) {
  return std::string(name(policy.action)) + (policy.dry_run ? " (dry run)" : "") + ": " +
         joined(policy.rules, " || ");
}

}  // namespace culvert
