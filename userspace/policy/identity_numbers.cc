// SPDX-License-Identifier: Apache-2.0
#include "culvert/identity_numbers.h"

#include <algorithm>

namespace culvert {
namespace {

constexpr std::string_view scheme = "spiffe://";

// Takes "/<name>" off the front of `path`; empty if it does not begin so.
std::string_view take_segment(std::string_view &path) {
  if (!path.starts_with('/')) return {};
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

}  // namespace

IdentityNames IdentityNames::of(const SpiffeId &id) {
  IdentityNames names;
  if (id.text().empty()) return names;
  names.principal = std::string_view(id.text()).substr(scheme.size());
  names.trust_domain = id.trust_domain();
  std::string_view path = id.path();
  if (take_segment(path) != "ns") return names;
  const std::string_view ns = take_segment(path);
  if (take_segment(path) != "sa") return names;
  const std::string_view account = take_segment(path);
  if (ns.empty() || account.empty() || !path.empty()) return names;
  names.ns = ns;
  names.account = account;
  return names;
}

std::uint32_t IdentityNumbers::add(const SpiffeId &id) {
  if (const auto known = find(id)) return *known;
  ids_.push_back(id);
  const IdentityNames names = IdentityNames::of(ids_.back());
  const std::uint32_t number = size();
  by_principal_.emplace(names.principal, number);
  by_trust_domain_[names.trust_domain].push_back(number);
  if (!names.ns.empty()) by_namespace_[names.ns].push_back(number);
  return number;
}

std::optional<std::uint32_t> IdentityNumbers::find(const SpiffeId &id) const {
  return with_principal(IdentityNames::of(id).principal);
}

const SpiffeId *IdentityNumbers::identity(std::uint32_t number) const {
  return number == IDENTITY_NONE || number > size() ? nullptr : &ids_[number - 1];
}

std::optional<std::uint32_t> IdentityNumbers::with_principal(std::string_view principal) const {
  const auto found = by_principal_.find(principal);
  if (found == by_principal_.end()) return std::nullopt;
  return found->second;
}

std::span<const std::uint32_t> IdentityNumbers::list(const Lists &lists, std::string_view name) {
  const auto found = lists.find(name);
  return found == lists.end() ? std::span<const std::uint32_t>() : found->second;
}

std::span<const std::uint32_t> IdentityNumbers::in_namespace(std::string_view ns) const {
  return list(by_namespace_, ns);
}

std::span<const std::uint32_t> IdentityNumbers::in_trust_domain(std::string_view domain) const {
  return list(by_trust_domain_, domain);
}

// One of each trust domain at most, and a mesh has few of these.
std::vector<std::uint32_t> IdentityNumbers::with_service_account(
    std::string_view ns_and_account) const {
  const std::size_t slash = ns_and_account.find('/');
  if (slash == ns_and_account.npos) return {};
  std::string path = "/ns/";
  path.append(ns_and_account.substr(0, slash)).append("/sa");
  path.append(ns_and_account.substr(slash));
  std::vector<std::uint32_t> out;
  for (const auto &[trust_domain, numbers] : by_trust_domain_) {
    if (const auto number = with_principal(std::string(trust_domain) + path)) {
      out.push_back(*number);
    }
  }
  return out;
}

}  // namespace culvert
