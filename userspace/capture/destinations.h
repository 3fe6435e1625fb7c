// SPDX-License-Identifier: Apache-2.0
// destinations: the maps `destinations` and `settings`: which addresses are meshed, and whether
// that is all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "culvert/abi.h"
#include "culvert/capture.h"
#include "culvert/fd.h"
#include "culvert/result.h"

namespace culvert {

class DestinationTable {
 public:
  // Reads what the map holds already, from a previous daemon.
  static Result<DestinationTable, Problem> create(UniqueFd destinations, UniqueFd settings,
                                                  std::uint32_t capacity);

  // See Capture::set_destinations. At no moment is anything passed that neither the former
  // destinations nor these have passed: what is captured is written first, in place where it was in
  // clear; then what is gone is removed, and then what is in clear is written.
  Result<void, Problem> set(const Capture::Destinations &destinations);
  MapUse use() const { return {"destinations", held_.size(), capacity_}; }
  int map_fd() const { return map_.get(); }
  int settings_fd() const { return settings_.get(); }

 private:
  struct Entry {
    Endpoint endpoint;
    destination_kind kind;
  };
  using Entries = std::vector<Entry>;  // by endpoint, each once

  DestinationTable(UniqueFd destinations, UniqueFd settings, std::uint32_t capacity)
      : map_(std::move(destinations)), settings_(std::move(settings)), capacity_(capacity) {}
  static Entries entries_of(const Capture::Destinations &destinations);
  Result<void, Problem> replace(const Entries &wanted);
  Result<void, Problem> put(const Entries &wanted, bool in_clear);
  Result<void, Problem> put_one(const Entry &entry, std::size_t wanted) const;
  Result<void, Problem> remove_others(const Entries &wanted);
  Result<void, Problem> mark(bool complete) const;

  UniqueFd map_, settings_;
  std::uint32_t capacity_;
  Entries held_;  // what the map holds
};

}  // namespace culvert
