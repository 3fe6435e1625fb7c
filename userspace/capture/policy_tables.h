// SPDX-License-Identifier: Apache-2.0
// policy_tables: the maps policy_sets, policy_identities, policy_sources, policy_ports and
// policy_cells. A set's rows are written before its entry in policy_sets and removed after it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "culvert/policy_maps.h"
#include "grace.h"
#include "set_table.h"

namespace culvert {

// Maps, and the loaded program verdict_probe.
struct PolicyFds {
  UniqueFd sets, identities, sources, ports, cells, pods, probe;
};

class PolicyTables final : public PolicyMaps {
 public:
  // Reads which numbers an earlier daemon used.
  static Result<std::unique_ptr<PolicyTables>, Problem> create(PolicyFds fds,
                                                               const PolicyMapSizes &sizes);

  std::uint32_t new_set() override;
  std::uint32_t new_identity() override;
  Result<void, Problem> add_set(std::uint32_t set, PolicyMapContents contents) override;
  Result<void, Problem> add_identity(std::uint32_t set, std::uint32_t identity,
                                     std::uint32_t number) override;
  void remove_sets(const std::vector<std::uint32_t> &sets) override;
  void drop_orphans() override;
  Result<verdict_answer> verdict(const verdict_question &question) const override;

  std::vector<MapUse> use() const;

 private:
  PolicyTables(PolicyFds fds, const PolicyMapSizes &sizes, GracePeriod grace);
  Result<void, Problem> write(std::uint32_t set, PolicyMapContents &contents,
                              PolicyMapContents &written);
  void erase(std::uint32_t set, const PolicyMapContents &written);
  std::set<std::uint32_t> referred() const;
  template <class Table>
  void find_old(const Table &table);
  template <class Table>
  static void drop(Table &table, const std::set<std::uint32_t> &doomed);

  SetTable<std::uint32_t, policy_set_entry> sets_;
  SetTable<policy_identity_key, policy_class> identities_;
  SetTable<policy_source_key, policy_class> sources_;
  SetTable<policy_port_key, policy_class> ports_;
  SetTable<policy_cell_key, policy_cell> cells_;
  UniqueFd pods_, probe_;
  GracePeriod grace_;

  std::map<std::uint32_t, PolicyMapContents> held_;  // what this daemon wrote
  std::set<std::uint32_t> old_;  // what an earlier one left
  std::uint32_t last_set_ = 0, last_identity_ = IDENTITY_NONE;
};

}  // namespace culvert
