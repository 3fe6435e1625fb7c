// SPDX-License-Identifier: Apache-2.0
// identity_classes: the first dimension of a compiled set: whom do its rules tell apart?
//
//   1 atom()            each value of each condition
//   2 predicates.add()  what the clauses ask
//   3 number()          the class of every known identity. Only those are looked at that some exact
//                       value names, unless there are values with a star.
//   4 classify()        the class of one that comes later
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "culvert/compiled_policy.h"
#include "predicates.h"

namespace culvert {

// The values that a set names for one attribute.
class StringAtoms {
 public:
  Atom add(const StringMatch &match, Atom next);  // `next` if it is new
  void true_of(std::string_view text, std::vector<Atom> &out) const;  // `text` is not empty
  bool empty() const {
    return tables_[0].empty() && tables_[1].empty() && tables_[2].empty() && !present_;
  }
  bool only_exact() const { return tables_[1].empty() && tables_[2].empty() && !present_; }
  template <class Visit>
  void each_exact(Visit visit) const {
    for (const auto &[text, atom] : tables_[0])
      visit(text);
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Table = std::unordered_map<std::string, Atom, Hash, std::equal_to<>>;
  static void find(const Table &table, std::string_view text, std::vector<Atom> &out);

  std::array<Table, 3> tables_;  // exact, prefix, suffix
  std::array<std::set<std::size_t>, 3> sizes_;
  std::optional<Atom> present_;
};

class IdentityClasses {
 public:
  Atom atom(Attribute attribute, const StringMatch &match);
  Predicates predicates;

  // Seals the predicates. False: more work than there is left.
  bool number(const IdentityNumbers &known, Work &work,
              std::vector<CompiledPolicy::IdentityClass> &out);
  const Numbering &classes() const { return classes_; }
  std::optional<std::uint32_t> classify(const SpiffeId &id) const;

 private:
  static constexpr std::size_t attributes = 4;  // source_principal … source_trust_domain

  std::vector<Atom> true_of(const SpiffeId &id) const;
  std::vector<bool> named(const IdentityNumbers &known) const;

  std::array<StringAtoms, attributes> strings_;
  Atom atoms_ = 0;
  Numbering classes_;  // by signature
};

}  // namespace culvert
