// SPDX-License-Identifier: Apache-2.0
// predicates: what the rules of a set ask about one dimension of a connection (who, from where, to
// which port), each question once.
//
//   atom       one value of one condition, "namespace is shop": true or not of a connection
//   test       a condition: one of its atoms is true; negated: none is
//   predicate  the tests of a clause in this dimension: all of them
//   signature  the predicates whose answer is another than where no atom is true, ascending. Things
//              with the same signature are of one class: no rule tells them apart
//
// Signatures are short: nearly no identity satisfies a given rule. So the cost of one is what it
// satisfies, and not the number of rules.
#pragma once

#include <cstdint>
#include <vector>

#include "numbering.h"

namespace culvert {

using Atom = std::uint32_t;

class Tests {  // of one clause, in one dimension
 public:
  void add(bool negated, std::vector<Atom> atoms);
  bool never() const { return never_; }  // one of them has no value to be
  std::vector<std::uint32_t> encode() const;

 private:
  std::vector<std::vector<std::uint32_t>> tests_;  // each: size * 2 + negated, atoms ascending
  bool never_ = false;
};

class Predicates {
 public:
  static constexpr std::uint32_t always = 0xffffffff;  // nothing is asked

  std::uint32_t add(const Tests &tests);  // its number
  void seal();  // after the last add(), before the rest
  std::uint32_t size() const { return encoded_.size(); }
  bool without_atoms(std::uint32_t predicate) const { return negative_[predicate]; }
  // Returns how many predicates it had to look at. `atoms` ascending: those that are true.
  std::size_t signature(Words atoms, std::vector<std::uint32_t> &out) const;

 private:
  bool holds(std::uint32_t predicate, Words atoms) const;

  Numbering encoded_;
  std::vector<bool> negative_;  // only negated tests: true where no atom is
  WordIndex led_;  // atom → predicates that can be true only with it or its siblings
  WordIndex broken_;  // atom → negative predicates that are false with it
};

// The classes in which a predicate is true.
class Satisfied {
 public:
  Satisfied(const Predicates &predicates, const Numbering &classes);
  void of(std::uint32_t predicate, std::vector<std::uint32_t> &out) const;

 private:
  const Predicates &predicates_;
  std::uint32_t classes_;
  WordIndex differ_;  // predicate → classes with it in their signature
};

// A bound on what compiling one set may cost: about half a second.
class Work {
 public:
  [[nodiscard]] bool spend(std::size_t steps) {
    left_ -= std::min(left_, steps);
    return left_ != 0;
  }

 private:
  std::size_t left_ = 20'000'000;
};

}  // namespace culvert
