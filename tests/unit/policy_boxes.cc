// SPDX-License-Identifier: Apache-2.0
#include "policy_boxes.h"

#include <fnmatch.h>

#include <bitset>
#include <map>
#include <regex>

namespace culvert {
namespace {

// "4:" and 32 digits or "6:" and 128: a range is what begins with its digits.
std::string digits(const Ip &ip, std::size_t bits = 128) {
  std::string out;
  for (const std::uint8_t byte : ip.bytes)
    out += std::bitset<8>(byte).to_string();
  const std::string mapped = std::string(80, '0') + std::string(16, '1');
  out.resize(bits);
  return out.starts_with(mapped) ? "4:" + out.substr(mapped.size()) : "6:" + out;
}

bool matches(const StringMatch &match, const std::string &value) {
  std::string pattern = match.text;
  if (match.form == StringMatch::Form::prefix) pattern += "*";
  if (match.form == StringMatch::Form::suffix) pattern.insert(0, "*");
  if (match.form == StringMatch::Form::present) pattern = "?*";
  return fnmatch(pattern.c_str(), value.c_str(), FNM_NOESCAPE) == 0;
}

// Principal, namespace, service account, trust domain; in the order of Attribute.
using Texts = std::vector<std::optional<std::string>>;
const Texts &names_in(const std::string &id) {
  static const std::regex any("spiffe://(([^/]+).*)");
  static const std::regex workload("spiffe://[^/]+/ns/([^/]+)/sa/([^/]+)");
  static std::map<std::string, Texts> known;  // a regular expression takes its time
  Texts &out = known[id];
  if (!out.empty()) return out;
  out.resize(4);
  std::smatch parts;
  if (std::regex_match(id, parts, any)) {
    out[0] = parts[1].str();
    out[3] = parts[2].str();
  }
  if (std::regex_match(id, parts, workload)) {
    out[1] = parts[1].str();
    out[2] = parts[1].str() + "/" + parts[2].str();
  }
  return out;
}

template <class Items, class Predicate>
std::uint64_t table(const Items &items, bool negated, Predicate predicate) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (predicate(items[i])) out |= 1ULL << i;
  }
  return negated ? ~out : out;
}

bool in_one(const std::vector<Cidr> &cidrs, const std::string &ip_digits) {
  bool found = false;
  for (const Cidr &cidr : cidrs)
    found |= ip_digits.starts_with(digits(cidr.base, cidr.bits));
  return found;
}

PolicyBox both(const PolicyBox &a, const PolicyBox &b) {
  return {.peers = a.peers & b.peers,
          .clients = a.clients & b.clients,
          .destinations = a.destinations & b.destinations};
}

}  // namespace

PolicyBoxes::PolicyBoxes(const PolicyCase &c) : set_(c.set) {
  const std::size_t peers = 1 + c.identities.size() + c.strangers.size();
  for (std::size_t i = 0; i < peers; ++i) {
    Names &names = peers_.emplace_back();
    if (i == 0) continue;
    const Texts &texts = names_in(peer(c, i)->text());
    std::copy(texts.begin(), texts.end(), names.text);
  }
  for (const Ip &ip : c.clients)
    clients_.push_back(digits(ip));
  for (const Endpoint &destination : c.destinations) {
    own_.push_back(digits(destination.ip));
    ports_.push_back(destination.port);
  }
  for (const PolicyPtr &policy : c.set.policies) {
    std::vector<PolicyBox> &all = policies_.emplace_back();
    for (std::size_t number = 0; number < policy->rules.size(); ++number) {
      for (const PolicyBox &one : boxes(policy->rules[number], number))
        all.push_back(one);
    }
  }
}

PolicyBox PolicyBoxes::box(const Condition &condition) const {
  PolicyBox out;
  const bool negated = condition.negated;
  const auto in_range = [&](const std::string &ip) { return in_one(condition.cidrs, ip); };
  switch (condition.attribute) {
    case Attribute::source_ip:
      out.clients = table(clients_, negated, in_range);
      return out;
    case Attribute::destination_ip:
      out.destinations = table(own_, negated, in_range);
      return out;
    case Attribute::destination_port:
      out.destinations = table(ports_, negated, [&](std::uint16_t port) {
        bool found = false;
        for (const std::uint16_t value : condition.ports)
          found |= value == port;
        return found;
      });
      return out;
    default:
      break;
  }
  out.peers = table(peers_, negated, [&](const Names &names) {
    const auto &name = names.text[static_cast<std::size_t>(condition.attribute)];
    bool found = false;
    for (const StringMatch &match : condition.strings)
      found |= name && matches(match, *name);
    return found;
  });
  return out;
}

PolicyBox PolicyBoxes::box(const Conjunction &conjunction) const {
  PolicyBox out;
  for (const Condition &condition : conjunction)
    out = both(out, box(condition));
  return out;
}

std::vector<PolicyBox> PolicyBoxes::boxes(const PolicyRule &rule, std::size_t number) const {
  std::vector<PolicyBox> out;
  if (rule.never) return out;
  std::vector<PolicyBox> from, to;
  for (const Conjunction &conjunction : rule.from)
    from.push_back(box(conjunction));
  for (const Conjunction &conjunction : rule.to)
    to.push_back(box(conjunction));
  if (from.empty()) from.emplace_back();
  if (to.empty()) to.emplace_back();
  const PolicyBox when = box(rule.when);
  for (const PolicyBox &a : from) {
    for (const PolicyBox &b : to) {
      out.push_back(both(when, both(a, b)));
      out.back().rule = number;
    }
  }
  return out;
}

std::optional<std::size_t> PolicyBoxes::matching_rule(std::size_t policy,
                                                      const PolicyQuestion &question) const {
  std::optional<std::size_t> out;
  for (const PolicyBox &box : policies_[policy]) {
    const bool inside = (box.peers >> question.peer & box.clients >> question.client &
                         box.destinations >> question.destination & 1) != 0;
    if (inside && (!out || box.rule < *out)) out = box.rule;
  }
  return out;
}

// From the last policy to the first: what decides earlier overwrites what decides later.
PolicyDecision PolicyBoxes::decide(const PolicyQuestion &question, bool with_dry_run) const {
  PolicyDecision out{.allowed = true};
  bool allowed_by_rule = false;
  for (std::size_t i = policies_.size(); i-- > 0;) {
    const AuthorizationPolicy &policy = *set_.policies[i];
    if (policy.action == PolicyAction::audit || (policy.dry_run && !with_dry_run)) continue;
    const auto number = matching_rule(i, question);
    const bool allows = policy.action == PolicyAction::allow;
    if (number) {
      out = {.allowed = allows, .policy = &policy, .rule = &policy.rules[*number]};
      allowed_by_rule |= allows;
    } else if (allows && !allowed_by_rule) {
      out = {.allowed = false, .policy = &policy};
    }
  }
  return out;
}

}  // namespace culvert
