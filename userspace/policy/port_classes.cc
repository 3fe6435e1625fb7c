// SPDX-License-Identifier: Apache-2.0
#include "port_classes.h"

#include <algorithm>

#include "source_classes.h"

namespace culvert {

void PortClasses::add_ports(const Condition &condition, Tests &tests) {
  std::vector<Atom> atoms;
  for (const std::uint16_t port : condition.ports) {
    if (port == 0) continue;  // no connection has it
    ports_.insert(port);
    atoms.push_back(port);
  }
  tests.add(condition.negated, std::move(atoms));
}

// For the workload's address of this family. If it is not one, nobody knows which address a client
// asked for: what allows has to hold for all of them, what denies for any.
bool PortClasses::holds(const Condition &condition, culvert_verdict verdict, bool is_v6) const {
  std::size_t addresses = 0, true_of = 0;
  for (const Ip &ip : own_) {
    if (ip.is_v4() == is_v6) continue;
    const bool listed =
        std::ranges::any_of(condition.cidrs, [&](const Cidr &block) { return is_in(block, ip); });
    ++addresses;
    true_of += listed != condition.negated;
  }
  if (verdict == VERDICT_ALLOW) return addresses != 0 && true_of == addresses;
  return addresses == 0 || true_of != 0;
}

void PortClasses::add_address(const Condition &condition, culvert_verdict verdict,
                              Tests &tests) const {
  const bool v4 = holds(condition, verdict, false), v6 = holds(condition, verdict, true);
  if (v4 && v6) return;
  std::vector<Atom> atoms;
  if (v4 || v6) atoms.push_back(family(v6));
  tests.add(false, std::move(atoms));
}

bool PortClasses::number(Work &work, std::vector<CompiledPolicy::PortClass> &out) {
  predicates.seal();
  std::vector<std::uint32_t> signature;
  classes_.add(signature);
  for (const bool is_v6 : {false, true}) {
    const Atom any[] = {family(is_v6)};
    predicates.signature(any, signature);
    const std::uint32_t others = classes_.add(signature).first;
    if (others != 0) out.push_back({0, is_v6, others});
    for (const std::uint16_t port : ports_) {
      const Atom atoms[] = {port, family(is_v6)};
      if (!work.spend(1 + predicates.signature(atoms, signature))) return false;
      const std::uint32_t number = classes_.add(signature).first;
      if (number != others) out.push_back({port, is_v6, number});
    }
  }
  return true;
}

}  // namespace culvert
