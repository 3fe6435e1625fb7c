// SPDX-License-Identifier: Apache-2.0
// set_table: one of the maps of policy sets, all of whose keys begin with a set's number.
#pragma once

#include <arpa/inet.h>
#include <bpf/bpf.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "culvert/capture.h"
#include "keys.h"
#include "problem_text.h"

namespace culvert {

template <class Key>
std::uint32_t set_of(const Key &key) {
  if constexpr (std::is_same_v<Key, std::uint32_t>)
    return key;
  else if constexpr (std::is_same_v<Key, policy_source_key>)
    return ntohl(key.set);
  else
    return key.set;
}

template <class Key>
Key with_set(Key key, std::uint32_t set) {
  if constexpr (std::is_same_v<Key, std::uint32_t>)
    return set;
  else if constexpr (std::is_same_v<Key, policy_source_key>)
    key.set = htonl(set);
  else
    key.set = set;
  return key;
}

template <class Key, class Value>
class SetTable {
 public:
  using Rows = PolicyRows<Key, Value>;

  SetTable(UniqueFd map, const char *name, std::uint32_t capacity)
      : map_(std::move(map)), name_(name), capacity_(capacity), used_(keys().size()) {}

  std::vector<Key> keys() const {
    if constexpr (in_batches) return keys_in_batches<Key, Value>(map_.get());
    return keys_of<Key>(map_.get());
  }
  MapUse use() const { return {name_, used_, capacity_}; }

  // All of the rows, or none. Problem: the map is full.
  Result<void, Problem> insert(std::uint32_t set, const Rows &rows) {
    std::vector<Key> keys;
    std::vector<Value> values;
    for (const auto &[key, value] : rows) {
      keys.push_back(with_set(key, set));
      values.push_back(value);
    }
    std::size_t written = 0;
    const int error = write(keys, values, written);
    if (error == 0) return {};
    const std::uint64_t used = used_ - written;
    keys.resize(written);
    remove(keys);
    return problem_with(
        std::string("BPF map ") + name_, "insert", error,
        "policy set " + std::to_string(set) + " needs " + std::to_string(rows.size()) +
            " entries, " + std::to_string(used) + " of " + std::to_string(capacity_) +
            " are in use: raise " + name_ +
            "_max, or write fewer or simpler policies; until then its pod keeps the set it has, " +
            "or is closed");
  }

  void remove(std::uint32_t set, const Rows &rows) {
    std::vector<Key> keys;
    for (const auto &[key, value] : rows)
      keys.push_back(with_set(key, set));
    remove(keys);
  }

  // What the kernel will not remove means nothing to anyone; the next daemon tries again.
  void remove(const std::vector<Key> &keys) {
    int tries = 0;
    for (std::size_t done = 0; done < keys.size();) {
      auto count = chunk(keys.size() - done);
      const int error = drop(&keys[done], count);
      done += count;
      used_ -= std::min<std::uint64_t>(used_, count);
      if (count > 0) tries = 0;
      if (error == -ENOENT)
        ++done;
      else if (error != 0 && !(is_passing(error) && ++tries < tries_max))
        return;
    }
  }

 private:
  static constexpr bool in_batches = !std::is_same_v<Key, policy_source_key>;  // LPM_TRIE has none
  static constexpr std::size_t batch = 4096;
  static constexpr int tries_max = 1000;

  static std::uint32_t chunk(std::size_t left) {
    return static_cast<std::uint32_t>(in_batches ? std::min(left, batch) : 1);
  }
  // The kernel's allocator for BPF fills its caches in an interrupt, which a fast writer outruns.
  static bool is_passing(int error) {
    return error == -ENOMEM || error == -EBUSY || error == -EAGAIN;
  }

  // 0 or an errno; `written`: how many were.
  int write(const std::vector<Key> &keys, const std::vector<Value> &values, std::size_t &written) {
    int tries = 0;
    while (written < keys.size()) {
      std::uint32_t count = chunk(keys.size() - written);
      const int error = put(&keys[written], &values[written], count);
      written += count;
      used_ += count;
      if (count > 0) tries = 0;
      if (error != 0 && !(is_passing(error) && ++tries < tries_max)) return -error;
    }
    return 0;
  }

  // Both: `count` becomes how many were done before the error.
  int put(const Key *keys, const Value *values, std::uint32_t &count) const {
    if constexpr (!in_batches)
      return settle(::bpf_map_update_elem(map_.get(), keys, values, BPF_ANY), 1, count);
    const std::uint32_t wanted = count;
    return settle(::bpf_map_update_batch(map_.get(), keys, values, &count, nullptr), wanted, count);
  }
  int drop(const Key *keys, std::uint32_t &count) const {
    if constexpr (!in_batches) return settle(::bpf_map_delete_elem(map_.get(), keys), 1, count);
    const std::uint32_t wanted = count;
    return settle(::bpf_map_delete_batch(map_.get(), keys, &count, nullptr), wanted, count);
  }
  static int settle(int error, std::uint32_t wanted, std::uint32_t &count) {
    if (error != 0 && count == wanted) count = 0;  // it did not begin
    return error;
  }

  UniqueFd map_;
  const char *name_;
  std::uint64_t capacity_, used_;
};

}  // namespace culvert
