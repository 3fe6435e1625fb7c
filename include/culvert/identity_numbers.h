// SPDX-License-Identifier: Apache-2.0
// identity_numbers: a number for every SPIFFE ID that this node has heard of, since the kernel
// compares numbers. Given out from 1 (IDENTITY_NONE is plaintext) and never used again for another.
// Control thread only; what it gives out stays where it is.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "culvert/identity.h"
#include "culvert/verdict.h"

namespace culvert {

// What policies may ask about a SPIFFE ID (policy_set.h: Attribute); empty: it has no such name.
// Views into the ID.
struct IdentityNames {
  std::string_view principal, trust_domain;
  std::string_view ns, account;  // of spiffe://TD/ns/NS/sa/SA and no other form
  static IdentityNames of(const SpiffeId &id);
};

class IdentityNumbers {
 public:
  IdentityNumbers() = default;
  IdentityNumbers(IdentityNumbers &&) noexcept = default;
  IdentityNumbers &operator=(IdentityNumbers &&) noexcept = default;

  std::uint32_t add(const SpiffeId &id);  // its number, a new one if it has none yet
  std::optional<std::uint32_t> find(const SpiffeId &id) const;
  const SpiffeId *identity(std::uint32_t number) const;  // null: not given out
  std::uint32_t size() const { return static_cast<std::uint32_t>(ids_.size()); }  // 1 … size()

  // For the compiler: who has this name? Cost: those found, not those known.
  std::optional<std::uint32_t> with_principal(std::string_view principal) const;
  std::span<const std::uint32_t> in_namespace(std::string_view ns) const;
  std::span<const std::uint32_t> in_trust_domain(std::string_view trust_domain) const;
  std::vector<std::uint32_t> with_service_account(std::string_view ns_and_account) const;

 private:
  using Lists = std::unordered_map<std::string_view, std::vector<std::uint32_t>>;
  static std::span<const std::uint32_t> list(const Lists &lists, std::string_view name);

  std::deque<SpiffeId> ids_;  // number N at N - 1; the keys below are views into them
  std::unordered_map<std::string_view, std::uint32_t> by_principal_;
  Lists by_namespace_, by_trust_domain_;
};

}  // namespace culvert
