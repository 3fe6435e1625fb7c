// SPDX-License-Identifier: Apache-2.0
// Policies and connections in few words, for the tables of the evaluator's tests.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "culvert/evaluator.h"

namespace culvert {

using Words = std::initializer_list<std::string_view>;

// "x", "x*", "*x", "*"
inline StringMatch string_match(std::string_view text) {
  using Form = StringMatch::Form;
  if (text == "*") return {Form::present, ""};
  if (text.ends_with('*')) return {Form::prefix, std::string(text.substr(0, text.size() - 1))};
  if (text.starts_with('*')) return {Form::suffix, std::string(text.substr(1))};
  return {Form::exact, std::string(text)};
}

// "10.0.0.0/8" and "fd00::/8", as written in a policy
inline Cidr cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  const Ip base = Ip::parse(text.substr(0, slash)).value();
  const int bits = std::stoi(std::string(text.substr(slash + 1)));
  const bool is_v4 = text.find(':') == text.npos;
  return {base, static_cast<std::uint8_t>(is_v4 ? bits + 96 : bits)};
}

inline Condition of(Attribute attribute) {
  Condition out;
  out.attribute = attribute;
  return out;
}
inline Condition of_strings(Attribute attribute, Words values) {
  Condition out = of(attribute);
  for (const std::string_view value : values)
    out.strings.push_back(string_match(value));
  return out;
}
inline Condition of_cidrs(Attribute attribute, Words values) {
  Condition out = of(attribute);
  for (const std::string_view value : values)
    out.cidrs.push_back(cidr(value));
  return out;
}
inline Condition principals(Words w) { return of_strings(Attribute::source_principal, w); }
inline Condition namespaces(Words w) { return of_strings(Attribute::source_namespace, w); }
inline Condition accounts(Words w) { return of_strings(Attribute::source_service_account, w); }
inline Condition trust_domains(Words w) { return of_strings(Attribute::source_trust_domain, w); }
inline Condition ips(Words values) { return of_cidrs(Attribute::source_ip, values); }
inline Condition own_ips(Words values) { return of_cidrs(Attribute::destination_ip, values); }
inline Condition ports(std::vector<std::uint16_t> values) {
  Condition out = of(Attribute::destination_port);
  out.ports = std::move(values);
  return out;
}
inline Condition none_of(Condition condition) {  // notPrincipals, notPorts, notValues, …
  condition.negated = true;
  return condition;
}

struct RuleWords {
  std::vector<Conjunction> from = {}, to = {};
  Conjunction when = {};
  bool never = false;
};

inline AuthorizationPolicy policy(PolicyAction action, std::string name,
                                  std::vector<RuleWords> rules) {
  AuthorizationPolicy out;
  out.ns = "shop";
  out.name = std::move(name);
  out.action = action;
  for (RuleWords &rule : rules) {
    out.rules.push_back({.path = "spec.rules[" + std::to_string(out.rules.size()) + "]",
                         .from = std::move(rule.from),
                         .to = std::move(rule.to),
                         .when = std::move(rule.when),
                         .never = rule.never});
  }
  return out;
}
inline AuthorizationPolicy allow(std::vector<RuleWords> rules, std::string name = "allow") {
  return policy(PolicyAction::allow, std::move(name), std::move(rules));
}
inline AuthorizationPolicy deny(std::vector<RuleWords> rules, std::string name = "deny") {
  return policy(PolicyAction::deny, std::move(name), std::move(rules));
}
inline AuthorizationPolicy custom(std::vector<RuleWords> rules, std::string name = "custom") {
  return policy(PolicyAction::custom, std::move(name), std::move(rules));
}
inline AuthorizationPolicy audit(std::vector<RuleWords> rules, std::string name = "audit") {
  return policy(PolicyAction::audit, std::move(name), std::move(rules));
}
inline AuthorizationPolicy dry_run(AuthorizationPolicy policy) {
  policy.dry_run = true;
  return policy;
}
inline PolicySet set_of(std::vector<AuthorizationPolicy> policies) {
  PolicySet out;
  for (AuthorizationPolicy &policy : policies) {
    out.policies.push_back(std::make_shared<const AuthorizationPolicy>(std::move(policy)));
  }
  return out;
}

// A connection, owning what PolicySubject points to. No identity: plaintext.
struct Caller {
  std::optional<SpiffeId> peer;
  Ip client = *Ip::parse("10.0.0.1");
  Endpoint destination = {*Ip::parse("10.0.9.9"), 8080};

  PolicySubject subject() const {
    return {.peer = peer ? &*peer : nullptr, .client = client, .destination = destination};
  }
  Caller at(std::string_view ip) const { return {peer, Ip::parse(ip).value(), destination}; }
  Caller to(std::uint16_t port) const { return {peer, client, {destination.ip, port}}; }
  Caller to_ip(std::string_view ip) const {
    return {peer, client, {Ip::parse(ip).value(), destination.port}};
  }
};
inline Caller plaintext() { return {}; }
inline Caller as(std::string_view path) {  // "td1/ns/a/sa/x"
  return {.peer = SpiffeId::parse("spiffe://" + std::string(path)).value()};
}

}  // namespace culvert
