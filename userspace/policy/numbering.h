// SPDX-License-Identifier: Apache-2.0
// numbering: sequences of words as small numbers, from 0 in the order of appearance; and an index
// from a word to all the words that go with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace culvert {

using Words = std::span<const std::uint32_t>;

class Numbering {
 public:
  Numbering() = default;
  Numbering(Numbering &&) = default;
  Numbering &operator=(Numbering &&) = default;

  std::pair<std::uint32_t, bool> add(Words words);  // its number, and whether it is new
  std::optional<std::uint32_t> find(Words words) const;
  Words words(std::uint32_t number) const { return entries_[number]->first; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(entries_.size()); }
  void exchange(std::uint32_t a, std::uint32_t b);  // their numbers

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(Words words) const noexcept;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(Words a, Words b) const noexcept { return std::ranges::equal(a, b); }
  };
  using Numbers = std::unordered_map<std::vector<std::uint32_t>, std::uint32_t, Hash, Equal>;
  Numbers numbers_;
  std::vector<Numbers::value_type *> entries_;  // by number
};

// Fill with add(), then seal(), then ask.
class WordIndex {
 public:
  void add(std::uint32_t key, std::uint32_t value) { pairs_.emplace_back(key, value); }
  void seal();
  auto find(std::uint32_t key) const {  // pairs, ascending by value (`second`), each once
    return std::ranges::equal_range(pairs_, key, {},
                                    &std::pair<std::uint32_t, std::uint32_t>::first);
  }

 private:
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs_;
};

}  // namespace culvert
