// SPDX-License-Identifier: Apache-2.0
// keys: going through a map.
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <cstdint>
#include <vector>

namespace culvert {

template <class Key>
std::vector<Key> keys_of(int map_fd) {
  std::vector<Key> keys;
  Key key;
  const Key *previous = nullptr;
  while (::bpf_map_get_next_key(map_fd, previous, &key) == 0) {
    keys.push_back(key);
    previous = &keys.back();
  }
  return keys;
}

// The same of a hash, thousands of keys a system call.
template <class Key, class Value>
std::vector<Key> keys_in_batches(int map_fd) {
  constexpr std::uint32_t batch = 4096;
  std::vector<Key> keys;
  std::vector<Value> values(batch);
  std::uint32_t place = 0, held = 0;
  for (bool first = true;; first = false) {
    keys.resize(held + batch);
    std::uint32_t count = batch;
    const int error = ::bpf_map_lookup_batch(map_fd, first ? nullptr : &place, &place, &keys[held],
                                             values.data(), &count, nullptr);
    if (error == 0 || error == -ENOENT) held += count;  // ENOENT: these were the last
    if (error != 0) break;
  }
  keys.resize(held);
  return keys;
}

// Entries of a map that changes while we count: a number for people, never more than the map holds.
template <class Key>
std::uint64_t count_entries(int map_fd, std::uint64_t capacity) {
  Key key;
  const Key *previous = nullptr;
  std::uint64_t count = 0;
  while (count < capacity && ::bpf_map_get_next_key(map_fd, previous, &key) == 0) {
    previous = &key;
    ++count;
  }
  return count;
}

}  // namespace culvert
