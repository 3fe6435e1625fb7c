// SPDX-License-Identifier: Apache-2.0
// recent: a map bounded in size, by 32-byte keys (SHA-256); what was used longest ago goes first.
// Not for more than one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <unordered_map>
#include <utility>

namespace culvert {

using Key = std::array<std::uint8_t, 32>;

template <class Value>
class Recent {
 public:
  explicit Recent(std::size_t limit) : limit_(limit) {}

  // Null: not there. Valid until the next put() or erase().
  Value *find(const Key &key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  void put(const Key &key, Value value) {
    if (Value *old = find(key); old != nullptr) {
      *old = std::move(value);
      return;
    }
    if (entries_.size() == limit_) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, std::move(value));
    places_.emplace(key, entries_.begin());
  }

  void erase(const Key &key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return;
    entries_.erase(found->second);
    places_.erase(found);
  }

  std::size_t size() const { return entries_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const Key &key) const noexcept {
      std::size_t out = 0;  // the keys are hashes already
      std::memcpy(&out, key.data(), sizeof out);
      return out;
    }
  };
  using Entries = std::list<std::pair<Key, Value>>;

  std::size_t limit_;
  Entries entries_;  // newest first
  std::unordered_map<Key, typename Entries::iterator, Hash> places_;
};

}  // namespace culvert
