// SPDX-License-Identifier: Apache-2.0
// policy_maps: policy sets in the kernel (verdict.h). A set is added aside, under a number that was
// never used before; the pod that refers to it publishes it (Capture::set_pod); the set it had is
// then removed. Part of the capture room, control thread only.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "culvert/result.h"
#include "culvert/verdict.h"

namespace culvert {

struct PolicyMapSizes {  // entries; the hashes take 16 bytes for each even while they are empty
  std::uint32_t sets = 4096;
  std::uint32_t identities = 1048576;
  std::uint32_t sources = 1048576;
  std::uint32_t ports = 262144;
  std::uint32_t cells = 1048576;
};

template <class Key, class Value>
using PolicyRows = std::vector<std::pair<Key, Value>>;

// One set, as the maps are to hold it. `set` in the keys is not looked at: add_set() writes it.
struct PolicyMapContents {
  policy_set_entry entry{VERDICT_DENY, VERDICT_NO_POLICY, 0, 0};
  PolicyRows<policy_identity_key, policy_class> identities{};
  PolicyRows<policy_source_key, policy_class> sources{};
  PolicyRows<policy_port_key, policy_class> ports{};
  PolicyRows<policy_cell_key, policy_cell> cells{};
};

class PolicyMaps {
 public:
  virtual ~PolicyMaps() = default;

  // Numbers for sets and identities that neither this daemon nor an earlier one's maps have used:
  // each call another. Never 0.
  virtual std::uint32_t new_set() = 0;
  virtual std::uint32_t new_identity() = 0;

  // `set` is from new_set(), and not added yet. Problem: a map is full: it is named; nothing of the
  // set is left in any map.
  virtual Result<void, Problem> add_set(std::uint32_t set, PolicyMapContents contents) = 0;
  // A SPIFFE ID that got its number after the set was added. Until then its class there is 0: give
  // it its classes in all sets before any socket announces it.
  virtual Result<void, Problem> add_identity(std::uint32_t set, std::uint32_t identity,
                                             std::uint32_t number) = 0;
  // No pod refers to them any more. Waits until no program can be reading them (some 10 ms, however
  // many they are); numbers that were not added are passed over.
  virtual void remove_sets(const std::vector<std::uint32_t> &sets) = 0;
  // Removes what earlier daemons left, but for sets that a pod refers to still. For free once
  // nothing is left.
  virtual void drop_orphans() = 0;

  // What the kernel would say: bpf/verdict_probe, on the live maps.
  virtual Result<verdict_answer> verdict(const verdict_question &question) const = 0;
};

}  // namespace culvert
