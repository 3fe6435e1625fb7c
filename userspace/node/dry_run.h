// SPDX-License-Identifier: Apache-2.0
// Private to node: a set as it would be if its dry-run policies were in force, as a table for the
// data threads, which count and log where it says otherwise. The kernel knows nothing of it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "culvert/compiled_policy.h"
#include "culvert/identity_numbers.h"

namespace culvert {

class DryRun {
 public:
  // `own`: the workload's addresses.
  void build(const PolicySet &set, const IdentityNumbers &numbers, const std::vector<Ip> &own);
  // The identities behind the first `known` are new. True: the table is another one.
  bool learn(const PolicySet &set, const IdentityNumbers &numbers, std::uint32_t known,
             const std::vector<Ip> &own);
  // Null: no policy is dry-run. Policies have the numbers they have in the set.
  const std::shared_ptr<const PolicyTable> &table() const { return table_; }

 private:
  std::optional<CompiledPolicy> compiled_;
  std::shared_ptr<const PolicyTable> table_;
};

}  // namespace culvert
