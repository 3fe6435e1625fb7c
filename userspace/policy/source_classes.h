// SPDX-License-Identifier: Apache-2.0
// source_classes: the second dimension of a compiled set: which parts of the address space do its
// rules tell apart? A prefix's class is that of its addresses which are in no longer prefix.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "culvert/compiled_policy.h"
#include "predicates.h"

namespace culvert {

// Is `ip` in the block? An IPv6 block, also ::/0, has no IPv4 addresses in it.
bool is_in(const Cidr &block, const Ip &ip);

class SourceClasses {
 public:
  Atom atom(const Cidr &block);
  Predicates predicates;

  // Seals the predicates. False: more work than there is left.
  bool number(Work &work, std::vector<CompiledPolicy::SourceClass> &out);
  const Numbering &classes() const { return classes_; }

 private:
  using Key = std::pair<Ip, std::uint8_t>;  // ordered: a prefix comes before what is inside
  std::map<Key, Atom> atoms_;
  Numbering classes_;
};

}  // namespace culvert
