// SPDX-License-Identifier: Apache-2.0
#include "predicates.h"

#include "culvert/verdict.h"

namespace culvert {
namespace {

static_assert(Predicates::always == VERDICT_ANY);

// Calls visit(negated, atoms) for each test until it answers false.
template <class Visit>
bool each_test(Words encoded, Visit visit) {
  while (!encoded.empty()) {
    const std::uint32_t head = encoded.front();
    if (!visit((head & 1) != 0, encoded.subspan(1, head / 2))) return false;
    encoded = encoded.subspan(1 + head / 2);
  }
  return true;
}

bool meet(Words few, Words many) {
  return std::ranges::any_of(
      few, [&](std::uint32_t word) { return std::ranges::binary_search(many, word); });
}

void sort_each_once(std::vector<std::uint32_t> &words) {
  std::ranges::sort(words);
  const auto rest = std::ranges::unique(words);
  words.erase(rest.begin(), rest.end());
}

}  // namespace

void Tests::add(bool negated, std::vector<Atom> atoms) {
  if (atoms.empty()) {
    never_ = never_ || !negated;
    return;
  }
  sort_each_once(atoms);
  std::vector<std::uint32_t> test;
  test.reserve(1 + atoms.size());
  test.push_back(static_cast<std::uint32_t>(atoms.size() * 2 + negated));
  test.insert(test.end(), atoms.begin(), atoms.end());
  tests_.push_back(std::move(test));
}

std::vector<std::uint32_t> Tests::encode() const {
  if (tests_.size() == 1) return tests_.front();
  auto sorted = tests_;
  std::ranges::sort(sorted);
  const auto rest = std::ranges::unique(sorted);
  sorted.erase(rest.begin(), rest.end());
  std::vector<std::uint32_t> out;
  for (const auto &test : sorted)
    out.insert(out.end(), test.begin(), test.end());
  return out;
}

std::uint32_t Predicates::add(const Tests &tests) {
  const auto encoded = tests.encode();
  return encoded.empty() ? always : encoded_.add(encoded).first;
}

// A predicate with a positive test is looked at where one of that test's atoms is true; of several
// tests, the one whose atoms are asked about least.
void Predicates::seal() {
  std::unordered_map<Atom, std::uint32_t> uses;
  for (std::uint32_t number = 0; number < size(); ++number) {
    each_test(encoded_.words(number), [&](bool negated, Words atoms) {
      if (!negated) std::ranges::for_each(atoms, [&](Atom atom) { ++uses[atom]; });
      return true;
    });
  }
  const auto most_used = [&](Words atoms) {
    return std::ranges::max(atoms, {}, [&](Atom atom) { return uses.find(atom)->second; });
  };
  for (std::uint32_t number = 0; number < size(); ++number) {
    Words leader;
    std::uint32_t least = 0;
    each_test(encoded_.words(number), [&](bool negated, Words atoms) {
      if (negated) return true;
      const std::uint32_t most = uses.find(most_used(atoms))->second;
      if (leader.empty() || most < least) {
        leader = atoms;
        least = most;
      }
      return true;
    });
    negative_.push_back(leader.empty());
    std::ranges::for_each(leader, [&](Atom atom) { led_.add(atom, number); });
    if (!leader.empty()) continue;
    each_test(encoded_.words(number), [&](bool, Words atoms) {
      std::ranges::for_each(atoms, [&](Atom atom) { broken_.add(atom, number); });
      return true;
    });
  }
  led_.seal();
  broken_.seal();
}

bool Predicates::holds(std::uint32_t predicate, Words atoms) const {
  return each_test(encoded_.words(predicate),
                   [&](bool negated, Words values) { return meet(atoms, values) != negated; });
}

std::size_t Predicates::signature(Words atoms, std::vector<std::uint32_t> &out) const {
  std::size_t looked_at = 0;
  out.clear();
  for (const Atom atom : atoms) {
    for (const auto &[key, predicate] : led_.find(atom)) {
      ++looked_at;
      if (holds(predicate, atoms)) out.push_back(predicate);
    }
    for (const auto &[key, predicate] : broken_.find(atom))
      out.push_back(predicate);
  }
  looked_at += out.size();
  sort_each_once(out);
  return looked_at;
}

Satisfied::Satisfied(const Predicates &predicates, const Numbering &classes)
    : predicates_(predicates), classes_(classes.size()) {
  for (std::uint32_t number = 0; number < classes_; ++number) {
    for (const std::uint32_t predicate : classes.words(number))
      differ_.add(predicate, number);
  }
  differ_.seal();
}

void Satisfied::of(std::uint32_t predicate, std::vector<std::uint32_t> &out) const {
  out.clear();
  if (predicate == Predicates::always) {
    out.push_back(VERDICT_ANY);
    return;
  }
  const auto differ = differ_.find(predicate);
  if (!predicates_.without_atoms(predicate)) {
    for (const auto &[key, number] : differ)
      out.push_back(number);
    return;
  }
  auto next = differ.begin();
  for (std::uint32_t number = 0; number < classes_; ++number) {
    if (next != differ.end() && next->second == number) {
      ++next;
    } else {
      out.push_back(number);
    }
  }
}

}  // namespace culvert
