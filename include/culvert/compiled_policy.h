// SPDX-License-Identifier: Apache-2.0
// compiled_policy: a policy set in the form that verdict.h looks up: identities, sources and ports
// as small classes, and cells that say what holds for a combination of classes.
//
// Compiled for one workload (destination.ip depends on its addresses) and for the identities known
// at that moment. Every other identity that is given a number has to be given its class, too,
// before anything is judged with it: classify().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "culvert/address.h"
#include "culvert/identity.h"
#include "culvert/identity_numbers.h"
#include "culvert/policy_set.h"
#include "culvert/result.h"
#include "culvert/verdict.h"

namespace culvert {

class IdentityClasses;

// The contents of the maps for one set, less its number. What is not listed has class 0.
struct CompiledPolicy {
  struct IdentityClass {
    std::uint32_t identity, number;
    bool operator==(const IdentityClass &) const = default;
  };
  struct SourceClass {  // of the longest prefix
    Cidr prefix;
    std::uint32_t number;
    bool operator==(const SourceClass &) const = default;
  };
  struct PortClass {
    std::uint16_t port;  // 0: every port of this family that is not listed
    bool is_v6;
    std::uint32_t number;
    bool operator==(const PortClass &) const = default;
  };
  struct Cell {
    std::uint32_t identity, source, port;  // classes, or VERDICT_ANY
    policy_cell says;
  };

  policy_set_entry entry{};  // names the first ALLOW policy, where none of these matches
  std::vector<IdentityClass> identities;  // ascending by identity
  std::vector<SourceClass> sources;       // ascending: a prefix before those inside
  std::vector<PortClass> ports;           // ascending by family, port
  std::vector<Cell> cells;                // ascending by classes

  // Problem: it would be too large (more than cells_max cells, or too long to compute). The caller
  // closes the workload. `own` are the workload's addresses: one of each family. If there are more
  // (or none), an ALLOW that asks about destination.ip has to hold for all of the family, a DENY
  // for one.
  static Result<CompiledPolicy, Problem> compile(const PolicySet &set, const IdentityNumbers &known,
                                                 const std::vector<Ip> &own);

  // The class of an identity that was not known. 0: nothing to do. nullopt: there is no class yet
  // for what it is; compile again.
  std::optional<std::uint32_t> classify(const SpiffeId &id) const;
  // The same with one more identity of a class that classify() gave, which is not 0.
  CompiledPolicy with(IdentityClass identity) const;

  std::shared_ptr<const IdentityClasses> classes;  // for classify()
};

constexpr std::size_t cells_max = 1'000'000;

// PolicyTable is what the kernel's maps hold for one set, for lookups by user space: the same
// culvert_judge() over hash tables. Immutable; any thread.
class PolicyTable {
 public:
  struct Question {
    std::uint32_t identity = IDENTITY_NONE;  // the client's number
    Ip client;  // its own address
    std::uint16_t port = 0;  // the workload's
    bool is_v6 = false;  // of the workload's address
  };
  explicit PolicyTable(const CompiledPolicy &policy);
  PolicyTable(PolicyTable &&) noexcept;
  PolicyTable &operator=(PolicyTable &&) noexcept;
  ~PolicyTable();

  verdict_answer judge(const Question &question) const;

 private:
  struct Maps;
  std::unique_ptr<const Maps> maps_;
};

}  // namespace culvert
