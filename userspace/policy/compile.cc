// SPDX-License-Identifier: Apache-2.0
// A policy set becomes the contents of the maps:
//
//   1 clauses     each rule that decides: one `from`, one `to`, `when`; its conditions become one
//                 predicate in each dimension, each clause and each predicate once
//   2 classes     identities, sources and ports that no predicate tells apart
//   3 cells       for each clause, every combination of classes that satisfies it
#include <map>
#include <unordered_map>
#include <utility>

#include "culvert/compiled_policy.h"
#include "identity_classes.h"
#include "port_classes.h"
#include "source_classes.h"

namespace culvert {
namespace {

constexpr std::size_t dimensions = 3;  // in the order of enum verdict_shape
using Classes = std::array<std::uint32_t, dimensions>;

struct Clause {
  Classes predicates;
  policy_cell says;
};

class Compiler {
 public:
  Compiler(const PolicySet &set, const IdentityNumbers &known, const std::vector<Ip> &own)
      : set_(set), known_(known), ports_(own) {}

  Result<CompiledPolicy, Problem> run() {
    CompiledPolicy out;
    if (set_.policies.size() >= VERDICT_NO_POLICY) return too_large();
    out.entry = {VERDICT_ALLOW, VERDICT_NO_POLICY, 0, 0};
    if (!add_policies(out.entry)) return too_large();
    if (!identities_->number(known_, work_, out.identities)) return too_large();
    if (!sources_.number(work_, out.sources)) return too_large();
    if (!ports_.number(work_, out.ports)) return too_large();
    if (!add_cells()) return too_large();
    take_cells(out);
    out.classes = std::move(identities_);
    return out;
  }

 private:
  bool add_policies(policy_set_entry &entry);
  bool add_rule(const PolicyRule &rule, policy_cell says);
  void add_clause(std::span<const Condition *const> conditions, policy_cell says);
  bool add_cells();
  bool add_cells_of(const Clause &clause, const std::array<Satisfied, dimensions> &satisfied);
  void take_cells(CompiledPolicy &out);
  std::unexpected<Problem> too_large() const;

  struct Hash {
    std::size_t operator()(const Classes &classes) const noexcept {
      std::uint64_t hash = 0;
      for (const std::uint32_t number : classes) {
        hash = (hash ^ number) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 32;
      }
      return hash;
    }
  };

  const PolicySet &set_;
  const IdentityNumbers &known_;
  Work work_;
  std::shared_ptr<IdentityClasses> identities_ = std::make_shared<IdentityClasses>();
  SourceClasses sources_;
  PortClasses ports_;
  Numbering numbering_;  // of clauses, to keep each once
  std::vector<Clause> clauses_;
  std::unordered_map<Classes, policy_cell, Hash> cells_;
};

bool Compiler::add_policies(policy_set_entry &entry) {
  for (std::size_t index = 0; index < set_.policies.size(); ++index) {
    const AuthorizationPolicy &policy = *set_.policies[index];
    if (policy.dry_run || policy.action == PolicyAction::audit) continue;
    const bool allows = policy.action == PolicyAction::allow;
    const policy_cell says = {allows ? VERDICT_ALLOW : VERDICT_DENY,
                              static_cast<std::uint16_t>(index), 0};
    if (allows && entry.otherwise == VERDICT_ALLOW) {
      entry.otherwise = VERDICT_DENY;
      entry.policy = says.policy;
    }
    for (const PolicyRule &rule : policy.rules) {
      if (!rule.never && !add_rule(rule, says)) return false;
    }
  }
  return true;
}

bool Compiler::add_rule(const PolicyRule &rule, policy_cell says) {
  static const std::vector<Conjunction> any(1);
  std::vector<const Condition *> conditions;
  const auto add = [&](const Conjunction &conjunction) {
    for (const Condition &condition : conjunction)
      conditions.push_back(&condition);
  };
  for (const Conjunction &from : rule.from.empty() ? any : rule.from) {
    for (const Conjunction &to : rule.to.empty() ? any : rule.to) {
      conditions.clear();
      add(from);
      add(to);
      add(rule.when);
      std::size_t values = 0;
      for (const Condition *condition : conditions) {
        values += condition->strings.size() + condition->cidrs.size() + condition->ports.size();
      }
      if (!work_.spend(1 + values)) return false;
      add_clause(conditions, says);
    }
  }
  return true;
}

void Compiler::add_clause(std::span<const Condition *const> conditions, policy_cell says) {
  Tests identity, source, port;
  for (const Condition *condition : conditions) {
    std::vector<Atom> atoms;
    switch (condition->attribute) {
      case Attribute::source_principal:
      case Attribute::source_namespace:
      case Attribute::source_service_account:
      case Attribute::source_trust_domain:
        for (const StringMatch &match : condition->strings)
          atoms.push_back(identities_->atom(condition->attribute, match));
        identity.add(condition->negated, std::move(atoms));
        break;
      case Attribute::source_ip:
        for (const Cidr &block : condition->cidrs)
          atoms.push_back(sources_.atom(block));
        source.add(condition->negated, std::move(atoms));
        break;
      case Attribute::destination_ip:
        ports_.add_address(*condition, says.verdict, port);
        break;
      case Attribute::destination_port:
        ports_.add_ports(*condition, port);
        break;
    }
  }
  if (identity.never() || source.never() || port.never()) return;
  const Classes predicates{identities_->predicates.add(identity), sources_.predicates.add(source),
                           ports_.predicates.add(port)};
  const std::uint32_t key[] = {predicates[0], predicates[1], predicates[2],
                               static_cast<std::uint32_t>(says.verdict)};
  if (numbering_.add(key).second) clauses_.push_back({predicates, says});
}

bool Compiler::add_cells() {
  const std::array<Satisfied, dimensions> satisfied{
      Satisfied(identities_->predicates, identities_->classes()),
      Satisfied(sources_.predicates, sources_.classes()),
      Satisfied(ports_.predicates, ports_.classes())};
  cells_.reserve(std::min(clauses_.size(), cells_max));
  return std::ranges::all_of(clauses_,
                             [&](const Clause &clause) { return add_cells_of(clause, satisfied); });
}

// DENY wins in a cell; of the same verdict the first policy, and clauses come in that order.
bool Compiler::add_cells_of(const Clause &clause,
                            const std::array<Satisfied, dimensions> &satisfied) {
  std::array<std::vector<std::uint32_t>, dimensions> in;
  for (std::size_t dimension = 0; dimension < dimensions; ++dimension) {
    satisfied[dimension].of(clause.predicates[dimension], in[dimension]);
    if (!work_.spend(1 + in[dimension].size())) return false;
  }
  for (const std::uint32_t identity : in[0]) {
    for (const std::uint32_t source : in[1]) {
      if (!work_.spend(in[2].size())) return false;
      for (const std::uint32_t port : in[2]) {
        const auto [cell, is_new] = cells_.try_emplace({identity, source, port}, clause.says);
        if (is_new && cells_.size() > cells_max) return false;
        if (clause.says.verdict == VERDICT_DENY && cell->second.verdict == VERDICT_ALLOW) {
          cell->second = clause.says;
        }
      }
    }
  }
  return true;
}

void Compiler::take_cells(CompiledPolicy &out) {
  out.cells.reserve(cells_.size());
  for (const auto &[classes, says] : cells_) {
    unsigned shape = 0;
    for (std::size_t dimension = 0; dimension < dimensions; ++dimension) {
      if (classes[dimension] != VERDICT_ANY) shape |= 1U << dimension;
    }
    out.entry.shapes = static_cast<std::uint8_t>(out.entry.shapes | 1U << shape);
    out.entry.asks = static_cast<std::uint8_t>(out.entry.asks | shape);
    out.cells.push_back({classes[0], classes[1], classes[2], says});
  }
  std::ranges::sort(out.cells, {}, [](const CompiledPolicy::Cell &cell) {
    return std::tuple(cell.identity, cell.source, cell.port);
  });
  // Classes that no cell asks about need not be looked up, and so not be written either.
  if (!(out.entry.asks & SHAPE_IDENTITY)) out.identities.clear();
  if (!(out.entry.asks & SHAPE_SOURCE)) out.sources.clear();
  if (!(out.entry.asks & SHAPE_PORT)) out.ports.clear();
}

std::unexpected<Problem> Compiler::too_large() const {
  std::string text = "the policies";
  constexpr std::size_t named = 3;
  for (std::size_t i = 0; i < set_.policies.size() && i < named; ++i) {
    text.append(i == 0 ? " " : ", ").append(set_.policies[i]->key());
  }
  if (set_.policies.size() > named) {
    text.append(" and ").append(std::to_string(set_.policies.size() - named)).append(" more");
  }
  return problem(text +
                 " select the same workload and are too many combinations together: their rules may"
                 " need " +
                 std::to_string(cells_max) +
                 " cells; use fewer policies, or fewer rules that combine identities, IP blocks and"
                 " ports");
}

}  // namespace

Result<CompiledPolicy, Problem> CompiledPolicy::compile(const PolicySet &set,
                                                        const IdentityNumbers &known,
                                                        const std::vector<Ip> &own) {
  return Compiler(set, known, own).run();
}

std::optional<std::uint32_t> CompiledPolicy::classify(const SpiffeId &id) const {
  return classes->classify(id);
}

CompiledPolicy CompiledPolicy::with(IdentityClass identity) const {
  CompiledPolicy out = *this;
  const auto place =
      std::ranges::lower_bound(out.identities, identity.identity, {}, &IdentityClass::identity);
  out.identities.insert(place, identity);
  return out;
}

}  // namespace culvert
