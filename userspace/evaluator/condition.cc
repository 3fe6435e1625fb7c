// SPDX-License-Identifier: Apache-2.0
#include "condition.h"

#include <algorithm>

#include "culvert/result.h"

namespace culvert::evaluator {
namespace {

struct WorkloadName {
  std::string ns, service_account;
};

// spiffe://TD/ns/NS/sa/SA and nothing longer, shorter or otherwise named.
std::optional<WorkloadName> workload_name(const SpiffeId &id) {
  const std::string path(id.path());
  if (!path.starts_with("/ns/")) return std::nullopt;
  const std::string behind_ns = path.substr(4);
  const std::size_t slash = behind_ns.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const std::string tail = behind_ns.substr(slash);
  if (!tail.starts_with("/sa/")) return std::nullopt;
  WorkloadName name{behind_ns.substr(0, slash), tail.substr(4)};
  if (name.ns.empty() || name.service_account.empty()) return std::nullopt;
  if (name.service_account.find('/') != std::string::npos) return std::nullopt;
  return name;
}

bool matches(const StringMatch &match, const std::string &value) {
  switch (match.form) {
    case StringMatch::Form::exact:
      return value == match.text;
    case StringMatch::Form::prefix:
      return value.starts_with(match.text);
    case StringMatch::Form::suffix:
      return value.ends_with(match.text);
    case StringMatch::Form::present:
      return !value.empty();
  }
  return false;
}

bool bit(const Ip &ip, std::size_t index) {
  return (ip.bytes[index / 8] >> (7 - index % 8) & 1) != 0;
}

// Families do not mix, as in Istio: an IPv6 range, ::/0 too, has no IPv4 address in it, though the
// mapped form of one has the range's bits.
bool matches(const Cidr &cidr, const Ip &ip) {
  ENSURE(cidr.bits <= 128);
  if (ip.is_v4() && cidr.bits < 96) return false;
  for (std::size_t index = 0; index < cidr.bits; ++index) {
    if (bit(cidr.base, index) != bit(ip, index)) return false;
  }
  return true;
}

bool one_string_matches(const Condition &condition, const PolicySubject &subject) {
  const auto value = source_name(condition.attribute, subject.peer);
  return value && std::ranges::any_of(condition.strings, [&](const StringMatch &match) {
           return matches(match, *value);
         });
}

bool one_cidr_matches(const Condition &condition, const Ip &ip) {
  return std::ranges::any_of(condition.cidrs, [&](const Cidr &cidr) { return matches(cidr, ip); });
}

bool one_value_matches(const Condition &condition, const PolicySubject &subject) {
  switch (condition.attribute) {
    case Attribute::source_principal:
    case Attribute::source_namespace:
    case Attribute::source_service_account:
    case Attribute::source_trust_domain:
      return one_string_matches(condition, subject);
    case Attribute::source_ip:
      return one_cidr_matches(condition, subject.client);
    case Attribute::destination_ip:
      return one_cidr_matches(condition, subject.destination.ip);
    case Attribute::destination_port:
      return std::ranges::find(condition.ports, subject.destination.port) != condition.ports.end();
  }
  return false;
}

}  // namespace

std::optional<std::string> source_name(Attribute attribute, const SpiffeId *peer) {
  if (peer == nullptr || peer->text().empty()) return std::nullopt;
  if (attribute == Attribute::source_trust_domain) return std::string(peer->trust_domain());
  if (attribute == Attribute::source_principal) {
    return std::string(peer->trust_domain()) + std::string(peer->path());
  }
  const auto name = workload_name(*peer);
  if (!name) return std::nullopt;
  if (attribute == Attribute::source_namespace) return name->ns;
  if (attribute == Attribute::source_service_account) return name->ns + "/" + name->service_account;
  return std::nullopt;
}

bool holds(const Condition &condition, const PolicySubject &subject) {
  return one_value_matches(condition, subject) != condition.negated;
}

bool holds(const Conjunction &conjunction, const PolicySubject &subject) {
  return std::ranges::all_of(conjunction,
                             [&](const Condition &condition) { return holds(condition, subject); });
}

bool any_holds(const std::vector<Conjunction> &alternatives, const PolicySubject &subject) {
  return alternatives.empty() ||
         std::ranges::any_of(alternatives, [&](const Conjunction &conjunction) {
           return holds(conjunction, subject);
         });
}

}  // namespace culvert::evaluator
