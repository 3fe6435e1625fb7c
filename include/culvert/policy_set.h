// SPDX-License-Identifier: Apache-2.0
// policy_set: what Istio's AuthorizationPolicy objects (security.istio.io/v1, v1beta1) say about
// TCP connections, as values. Written by source, which has resolved names, aliases and everything
// that L4 cannot judge; read by policy (which compiles it for the kernel) and evaluator (which
// walks it).
//
// Meaning, as in Istio:
// - a rule matches if one of `from` matches (or there is none), one of `to` (or none), and `when`
// - a policy matches if one of its rules does; no rules: never
// - set: a CUSTOM policy that matches denies (there is no provider here), then a DENY policy that
//   matches denies, then without ALLOW policies everything is allowed, then an ALLOW policy that
//   matches allows, then everything is denied. AUDIT and dry-run policies decide nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/address.h"

namespace culvert {

enum class PolicyAction : std::uint8_t { custom, deny, allow, audit };  // in the order of decision
std::string_view name(PolicyAction action);  // "CUSTOM", "DENY", "ALLOW", "AUDIT"

// Istio's four forms of a string: "x", "x*", "*x", "*" (which needs a value that is not empty).
struct StringMatch {
  enum class Form : std::uint8_t { exact, prefix, suffix, present };
  Form form{};
  std::string text;  // without the star
  bool operator==(const StringMatch &) const = default;
};

// `bits` counts in the 16-byte form: 10.0.0.0/8 has 104. Bits beyond are zero in `base`. Families
// do not mix: fewer than 96 bits, ::/0 among them, contain no IPv4 address.
struct Cidr {
  Ip base;
  std::uint8_t bits = 0;
  bool contains(const Ip &ip) const;
  bool operator==(const Cidr &) const = default;
};

// What a condition asks about. The source's names come from the peer's SPIFFE ID
// spiffe://TD/ns/NS/sa/SA and from nothing else; of an ID of another form only principal and trust
// domain exist, of a plaintext connection none. What does not exist matches no value.
enum class Attribute : std::uint8_t {
  source_principal,  // "TD/ns/NS/sa/SA", without spiffe://
  source_namespace,  // "NS"
  source_service_account,  // "NS/SA"
  source_trust_domain,  // "TD"
  source_ip,  // the client's own address
  destination_ip,  // the workload's own address
  destination_port,  // the workload's own port
};
std::string_view name(Attribute attribute);  // "source.principal", as in `when`

// One of the values matches; negated: none of them does. Only the list of its kind is not empty.
struct Condition {
  Attribute attribute{};
  bool negated = false;
  std::vector<StringMatch> strings;  // source_principal … source_trust_domain
  std::vector<Cidr> cidrs;  // source_ip, destination_ip
  std::vector<std::uint16_t> ports;  // destination_port, host order
  bool operator==(const Condition &) const = default;
};
std::vector<std::string> texts(const Condition &condition);  // "x*", "10.0.0.0/8", "80"
using Conjunction = std::vector<Condition>;  // all of them; empty: always

struct PolicyRule {
  std::string path;  // "spec.rules[0]"
  std::vector<Conjunction> from, to;  // one of them; empty: any
  Conjunction when;
  // What the rule says cannot be judged here, and an ALLOW rule must not become wider for it.
  bool never = false;
  bool operator==(const PolicyRule &) const = default;
};

// A field that this version does not take at its word, and what it does instead.
struct PolicyNote {
  int line = 0;
  std::string path;  // "spec.rules[0].to[0].operation.paths"
  std::string text;  // the cause and the effect
  bool operator==(const PolicyNote &) const = default;
};

struct AuthorizationPolicy {
  std::string ns, name;
  std::string file;  // where it is written
  int line = 0;
  std::string selects;  // for people: "mesh", "namespace shop", "namespace shop, app=web"
  PolicyAction action = PolicyAction::allow;
  bool dry_run = false;  // istio.io/dry-run: "true"
  std::vector<PolicyRule> rules;
  std::vector<PolicyNote> notes;
  bool operator==(const AuthorizationPolicy &) const = default;
  std::string key() const { return ns + "/" + name; }
};
using PolicyPtr = std::shared_ptr<const AuthorizationPolicy>;

// The policies that select a workload, in the order of decision, then by namespace and name.
// Workloads with the same policies share one object; one that did not change is the same object in
// the next Snapshot.
struct PolicySet {
  std::vector<PolicyPtr> policies;
  bool operator==(const PolicySet &) const = default;
};
using PolicySetPtr = std::shared_ptr<const PolicySet>;

}  // namespace culvert
