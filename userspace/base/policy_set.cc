// SPDX-License-Identifier: Apache-2.0
#include "culvert/policy_set.h"

#include <cstring>

#include "culvert/result.h"

namespace culvert {
namespace {

constexpr unsigned v4_bits = 96;  // of the prefix that all v4-mapped addresses have

std::string text(const StringMatch &match) {
  switch (match.form) {
    case StringMatch::Form::exact:
      return match.text;
    case StringMatch::Form::prefix:
      return match.text + "*";
    case StringMatch::Form::suffix:
      return "*" + match.text;
    case StringMatch::Form::present:
      return "*";
  }
  return "?";
}

std::string text(const Cidr &cidr) {
  const bool is_v4 = cidr.base.is_v4() && cidr.bits >= v4_bits;
  return cidr.base.text() + "/" + std::to_string(cidr.bits - (is_v4 ? v4_bits : 0));
}

}  // namespace

std::string_view name(PolicyAction action) {
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
  return "unknown";
}

std::string_view name(Attribute attribute) {
  switch (attribute) {
    case Attribute::source_principal:
      return "source.principal";
    case Attribute::source_namespace:
      return "source.namespace";
    case Attribute::source_service_account:
      return "source.serviceAccount";
    case Attribute::source_trust_domain:
      return "source.trustDomain";
    case Attribute::source_ip:
      return "source.ip";
    case Attribute::destination_ip:
      return "destination.ip";
    case Attribute::destination_port:
      return "destination.port";
  }
  return "unknown";
}

std::vector<std::string> texts(const Condition &condition) {
  std::vector<std::string> out;
  out.reserve(condition.strings.size() + condition.cidrs.size() + condition.ports.size());
  for (const StringMatch &match : condition.strings)
    out.push_back(text(match));
  for (const Cidr &cidr : condition.cidrs)
    out.push_back(text(cidr));
  for (const std::uint16_t port : condition.ports)
    out.push_back(std::to_string(port));
  return out;
}

bool Cidr::contains(const Ip &ip) const {
  ENSURE(bits <= 8 * ip.bytes.size());
  if (bits < v4_bits && ip.is_v4()) return false;
  const std::size_t whole = bits / 8;
  const unsigned rest = bits % 8;
  if (std::memcmp(ip.bytes.data(), base.bytes.data(), whole) != 0) return false;
  return rest == 0 || (ip.bytes[whole] ^ base.bytes[whole]) >> (8 - rest) == 0;
}

}  // namespace culvert
