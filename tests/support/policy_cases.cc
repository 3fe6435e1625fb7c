// SPDX-License-Identifier: Apache-2.0
#include "policy_cases.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <string_view>
#include <tuple>

namespace culvert {
namespace {

using A = Attribute;
using Attributes = std::span<const Attribute>;
constexpr std::array source_attributes{A::source_principal, A::source_namespace,
                                       A::source_service_account, A::source_trust_domain,
                                       A::source_ip};
constexpr std::array destination_attributes{A::destination_port, A::destination_port,
                                            A::destination_ip};
constexpr std::array all_attributes{
    A::source_principal, A::source_namespace, A::source_service_account, A::source_trust_domain,
    A::source_ip,        A::destination_ip,   A::destination_port};

// Names of which one is the beginning, the end or a part of another.
const std::vector<std::string> trust_domains{"td1", "td2", "cluster.local"};
const std::vector<std::string> namespaces{"a", "a-b", "b"};
const std::vector<std::string> service_accounts{"x", "xx", "admin"};
const std::vector<std::string> other_ids{"td1",
                                         "td1/workload",
                                         "td1/ns/a",
                                         "td2/ns/a/sa",
                                         "td1/ns/a/sa/x/y",
                                         "td2/sa/x/ns/a",
                                         "td1/NS/a/sa/x",
                                         "td1/ns/a/x/sa/x",
                                         "td11/ns/a/sa/x",
                                         "cluster.local.td1/ns/b/sa/xx"};
// IPv6 with the bits of an IPv4 address, in its first and in its last bytes, among them.
const std::vector<std::string> client_ips{"10.0.0.1", "10.0.0.2",      "10.0.1.5",  "10.1.0.1",
                                          "11.0.0.1", "192.168.7.9",   "127.0.0.1", "fd00::1",
                                          "fd00::2",  "fd00:0:0:1::5", "fd80::1",   "2001:db8::1",
                                          "::1",      "::10.0.0.1",    "a00::1"};
const std::vector<std::string> own_v4{"10.0.0.9", "10.0.1.9", "192.168.7.1"};
const std::vector<std::string> own_v6{"fd00::9", "fd00:0:0:1::9", "2001:db8::9"};
const std::vector<std::uint16_t> policy_ports{80, 8080, 443, 1, 65535, 0};
const std::vector<std::uint16_t> asked_ports{80, 8080, 443, 1, 65535, 81};
const std::vector<std::uint8_t> v4_bits{96, 97, 104, 112, 120, 124, 127, 128, 128, 128};
const std::vector<std::uint8_t> v6_bits{0, 1, 8, 9, 32, 48, 64, 64, 80, 95, 96, 127, 128, 128, 128};

constexpr std::array<unsigned, 7> policies_weights{3, 17, 20, 20, 16, 13, 11};
constexpr std::array<unsigned, 4> action_weights{8, 25, 57, 10};  // custom, deny, allow, audit
constexpr std::array<unsigned, 5> rules_weights{6, 38, 28, 16, 12};
constexpr std::array<unsigned, 4> alternatives_weights{34, 36, 20, 10};
constexpr std::array<unsigned, 4> conditions_weights{4, 56, 26, 14};  // of an alternative
constexpr std::array<unsigned, 4> when_weights{60, 24, 10, 6};
constexpr std::array<unsigned, 4> values_weights{0, 45, 35, 20};

Ip masked(Ip ip, unsigned bits) {
  for (unsigned i = bits; i < 128; ++i) {
    const auto bit = static_cast<std::uint8_t>(0x80U >> (i % 8));
    ip.bytes[i / 8] = static_cast<std::uint8_t>(ip.bytes[i / 8] & ~bit);
  }
  return ip;
}

Ip parsed(const std::string &text) { return Ip::parse(text).value(); }

}  // namespace

const SpiffeId *peer(const PolicyCase &c, std::size_t index) {
  if (index == 0) return nullptr;
  const std::size_t known = c.identities.size();
  return index <= known ? &c.identities[index - 1] : &c.strangers[index - 1 - known];
}

PolicySubject subject(const PolicyCase &c, const PolicyQuestion &question) {
  return {.peer = peer(c, question.peer),
          .client = c.clients[question.client],
          .destination = c.destinations[question.destination]};
}

std::uint64_t PolicyRandom::next() {
  if (given_) {
    if (bytes_.empty()) return 0;
    const std::uint8_t first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
  }
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::size_t PolicyRandom::weighted(std::span<const unsigned> weights) {
  std::size_t left = below(std::accumulate(weights.begin(), weights.end(), 0U));
  std::size_t index = 0;
  while (left >= weights[index])
    left -= weights[index++];
  return index;
}

// Mixed first, so that neighbouring seeds and numbers have nothing in common.
PolicyGenerator::PolicyGenerator(std::uint64_t seed, std::uint64_t number)
    : random_(PolicyRandom(seed).next() ^ PolicyRandom(~number).next()) {}

PolicyCase PolicyGenerator::next_case() {
  PolicyCase c;
  fill_connections(c);
  std::vector<AuthorizationPolicy> policies;
  const std::size_t count = random_.weighted(policies_weights);
  for (std::size_t i = 0; i < count; ++i)
    policies.push_back(policy(c, i));
  std::ranges::sort(policies, {}, [](const AuthorizationPolicy &p) {
    return std::tuple(p.action, p.ns, p.name);
  });
  for (AuthorizationPolicy &p : policies) {
    c.set.policies.push_back(std::make_shared<const AuthorizationPolicy>(std::move(p)));
  }
  return c;
}

PolicyQuestion PolicyGenerator::next_question(const PolicyCase &c) {
  PolicyQuestion q;
  q.peer = random_.below(1 + c.identities.size() + c.strangers.size());
  if (random_.percent(8)) q.peer = 0;
  q.client = random_.below(c.clients.size());
  q.destination = random_.below(c.destinations.size());
  return q;
}

void PolicyGenerator::fill_connections(PolicyCase &c) {
  std::vector<SpiffeId> all;
  for (const std::string &td : trust_domains) {
    for (const std::string &ns : namespaces) {
      for (const std::string &account : service_accounts) {
        all.push_back(SpiffeId::workload(td, ns, account).value());
      }
    }
  }
  for (const std::string &text : other_ids) {
    if (random_.percent(60)) all.push_back(SpiffeId::parse("spiffe://" + text).value());
  }
  const auto take = [&](std::vector<SpiffeId> &out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = random_.below(all.size());
      out.push_back(all[index]);
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(index));
    }
  };
  take(c.identities, random_.below(11));
  take(c.strangers, random_.below(4));
  for (const std::string &text : client_ips) {
    if (random_.percent(60)) c.clients.push_back(parsed(text));
  }
  if (c.clients.empty()) c.clients.push_back(parsed(client_ips.front()));
  const std::size_t families = random_.below(4);  // 0, 1: both
  if (families != 2) c.addresses.push_back(parsed(random_.pick(own_v4)));
  if (families != 3) c.addresses.push_back(parsed(random_.pick(own_v6)));
  for (const Ip &ip : c.addresses) {
    for (const std::uint16_t port : asked_ports)
      c.destinations.push_back({ip, port});
  }
}

AuthorizationPolicy PolicyGenerator::policy(const PolicyCase &c, std::size_t number) {
  AuthorizationPolicy out;
  out.ns = random_.pick(namespaces);
  out.name = "p" + std::to_string(number);
  out.action = static_cast<PolicyAction>(random_.weighted(action_weights));
  out.dry_run = random_.percent(12);
  const std::size_t count = random_.weighted(rules_weights);
  for (std::size_t i = 0; i < count; ++i)
    out.rules.push_back(rule(c, i));
  return out;
}

PolicyRule PolicyGenerator::rule(const PolicyCase &c, std::size_t number) {
  PolicyRule out;
  out.path = "spec.rules[" + std::to_string(number) + "]";
  out.never = random_.percent(8);
  const bool mixed = random_.percent(10);  // Istio has no such rule, but the values do
  out.from = alternatives(c, mixed ? Attributes(all_attributes) : Attributes(source_attributes));
  out.to = alternatives(c, mixed ? Attributes(all_attributes) : Attributes(destination_attributes));
  out.when = conjunction(c, all_attributes, when_weights);
  return out;
}

std::vector<Conjunction> PolicyGenerator::alternatives(const PolicyCase &c,
                                                       std::span<const Attribute> attributes) {
  std::vector<Conjunction> out(random_.weighted(alternatives_weights));
  for (Conjunction &one : out)
    one = conjunction(c, attributes, conditions_weights);
  return out;
}

Conjunction PolicyGenerator::conjunction(const PolicyCase &c, std::span<const Attribute> attributes,
                                         std::span<const unsigned> weights) {
  Conjunction out;
  const std::size_t count = random_.weighted(weights);
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(condition(c, attributes[random_.below(attributes.size())]));
  }
  return out;
}

Condition PolicyGenerator::condition(const PolicyCase &c, Attribute attribute) {
  Condition out;
  out.attribute = attribute;
  out.negated = random_.percent(30);
  const std::size_t count = random_.weighted(values_weights);
  for (std::size_t i = 0; i < count; ++i) {
    if (attribute == A::destination_port) {
      out.ports.push_back(random_.pick(policy_ports));
    } else if (attribute == A::source_ip || attribute == A::destination_ip) {
      out.cidrs.push_back(cidr(c, attribute));
    } else {
      out.strings.push_back(string_match(c, attribute));
    }
  }
  return out;
}

// A name somebody has, most often one who will ask.
std::string PolicyGenerator::name(const PolicyCase &c, Attribute attribute) {
  if (random_.percent(4))
    attribute = source_attributes[random_.below(4)];  // a name of another kind
  if (attribute == A::source_trust_domain) return random_.pick(trust_domains);
  if (attribute == A::source_namespace) return random_.pick(namespaces);
  const std::string account = random_.pick(namespaces) + "/" + random_.pick(service_accounts);
  if (attribute == A::source_service_account) return account;
  const std::size_t peers = c.identities.size() + c.strangers.size();
  if (peers == 0 || random_.percent(15)) return random_.pick(other_ids);
  return peer(c, 1 + random_.below(peers))->text().substr(std::string_view("spiffe://").size());
}

StringMatch PolicyGenerator::string_match(const PolicyCase &c, Attribute attribute) {
  constexpr std::array<unsigned, 4> form_weights{48, 21, 21, 10};
  const auto form = static_cast<StringMatch::Form>(random_.weighted(form_weights));
  if (form == StringMatch::Form::present) return {form, ""};
  if (random_.percent(2)) return {form, ""};
  const std::string whole = name(c, attribute);
  const std::size_t size = 1 + random_.below(whole.size());
  if (form == StringMatch::Form::prefix) return {form, whole.substr(0, size)};
  if (form == StringMatch::Form::suffix) return {form, whole.substr(whole.size() - size)};
  return {form, whole};
}

Cidr PolicyGenerator::cidr(const PolicyCase &c, Attribute attribute) {
  const bool own = (attribute == A::destination_ip) != random_.percent(10);
  const Ip &ip = random_.pick(own ? c.addresses : c.clients);
  std::uint8_t bits = random_.pick(ip.is_v4() && !random_.percent(5) ? v4_bits : v6_bits);
  if (random_.percent(5)) bits = static_cast<std::uint8_t>(random_.below(129));
  return {masked(ip, bits), bits};
}

}  // namespace culvert
