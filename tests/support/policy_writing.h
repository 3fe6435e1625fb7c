// SPDX-License-Identifier: Apache-2.0
// policy_writing: policy sets written short, for tests.
//   allow({{.from = {{principal("cluster.local/ns/shop/sa/web")}}, .to = {{port({80})}}}})
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "culvert/policy_set.h"

namespace culvert::test {

// "10.0.0.0/8", as a person writes it.
inline Cidr cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  const Ip ip = *Ip::parse(text.substr(0, slash));
  const int bits = std::stoi(std::string(text.substr(slash + 1)));
  return {ip, static_cast<std::uint8_t>(bits + (ip.is_v4() ? 96 : 0))};
}

inline StringMatch string_match(std::string_view text) {
  using enum StringMatch::Form;
  if (text == "*") return {present, ""};
  if (text.ends_with('*')) return {prefix, std::string(text.substr(0, text.size() - 1))};
  if (text.starts_with('*')) return {suffix, std::string(text.substr(1))};
  return {exact, std::string(text)};
}

using Texts = std::initializer_list<std::string_view>;
inline Condition strings(Attribute attribute, Texts texts) {
  Condition out{attribute, false, {}, {}, {}};
  for (const auto text : texts)
    out.strings.push_back(string_match(text));
  return out;
}
inline Condition blocks(Attribute attribute, Texts texts) {
  Condition out{attribute, false, {}, {}, {}};
  for (const auto text : texts)
    out.cidrs.push_back(cidr(text));
  return out;
}
inline Condition principal(Texts texts) { return strings(Attribute::source_principal, texts); }
inline Condition ns(Texts texts) { return strings(Attribute::source_namespace, texts); }
inline Condition account(Texts texts) { return strings(Attribute::source_service_account, texts); }
inline Condition trust_domain(Texts texts) {
  return strings(Attribute::source_trust_domain, texts);
}
inline Condition source(Texts texts) { return blocks(Attribute::source_ip, texts); }
inline Condition own_ip(Texts texts) { return blocks(Attribute::destination_ip, texts); }
inline Condition port(std::vector<std::uint16_t> ports) {
  return {Attribute::destination_port, false, {}, {}, std::move(ports)};
}
inline Condition none(Condition condition) {
  condition.negated = true;
  return condition;
}

struct Rule {
  std::vector<Conjunction> from, to;
  Conjunction when;
  bool never = false;
};
inline PolicyPtr policy(PolicyAction action, const std::vector<Rule> &rules,
                        std::string name = "p") {
  auto out = std::make_shared<AuthorizationPolicy>();
  out->ns = "shop";
  out->name = std::move(name);
  out->action = action;
  for (const Rule &rule : rules)
    out->rules.push_back({"", rule.from, rule.to, rule.when, rule.never});
  return out;
}
inline PolicyPtr allow(const std::vector<Rule> &rules) {
  return policy(PolicyAction::allow, rules);
}
inline PolicyPtr deny(const std::vector<Rule> &rules) { return policy(PolicyAction::deny, rules); }

}  // namespace culvert::test
