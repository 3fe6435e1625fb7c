// SPDX-License-Identifier: Apache-2.0
// port_classes: the third dimension of a compiled set: which ports of the workload, on which of its
// two addresses, do its rules tell apart?
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "culvert/compiled_policy.h"
#include "predicates.h"

namespace culvert {

class PortClasses {
 public:
  explicit PortClasses(const std::vector<Ip> &own) : own_(own) {}

  // Conditions on destination_port and destination_ip, put into `tests`. `verdict`: of the policy.
  void add_ports(const Condition &condition, Tests &tests);
  void add_address(const Condition &condition, culvert_verdict verdict, Tests &tests) const;
  Predicates predicates;

  // Seals the predicates. False: more work than there is left.
  bool number(Work &work, std::vector<CompiledPolicy::PortClass> &out);
  const Numbering &classes() const { return classes_; }

 private:
  // Atoms: a port is its own; then these.
  static constexpr Atom family(bool is_v6) { return 0x10000 + is_v6; }
  bool holds(const Condition &condition, culvert_verdict verdict, bool is_v6) const;

  const std::vector<Ip> &own_;
  std::set<std::uint16_t> ports_;
  Numbering classes_;
};

}  // namespace culvert
