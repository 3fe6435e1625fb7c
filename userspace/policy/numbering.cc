// SPDX-License-Identifier: Apache-2.0
#include "numbering.h"

namespace culvert {

std::size_t Numbering::Hash::operator()(Words words) const noexcept {
  std::uint64_t hash = words.size();
  for (const std::uint32_t word : words) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return hash;
}

std::pair<std::uint32_t, bool> Numbering::add(Words words) {
  if (const auto known = find(words)) return {*known, false};
  const std::uint32_t number = size();
  const auto added =
      numbers_.emplace(std::vector<std::uint32_t>(words.begin(), words.end()), number);
  entries_.push_back(&*added.first);
  return {number, true};
}

std::optional<std::uint32_t> Numbering::find(Words words) const {
  const auto found = numbers_.find(words);
  if (found == numbers_.end()) return std::nullopt;
  return found->second;
}

void Numbering::exchange(std::uint32_t a, std::uint32_t b) {
  std::swap(entries_[a], entries_[b]);
  entries_[a]->second = a;
  entries_[b]->second = b;
}

void WordIndex::seal() {
  std::ranges::sort(pairs_);
  const auto rest = std::ranges::unique(pairs_);
  pairs_.erase(rest.begin(), rest.end());
}

}  // namespace culvert
