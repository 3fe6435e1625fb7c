// SPDX-License-Identifier: Apache-2.0
#include "destinations.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "keys.h"
#include "problem_text.h"

namespace culvert {

namespace {

destination_key key_of(const Endpoint &endpoint) {
  destination_key key{};
  std::ranges::copy(endpoint.ip.bytes, key.ip);
  key.port = endpoint.port;
  return key;
}

Endpoint endpoint_of(const destination_key &key) {
  Endpoint endpoint{{}, key.port};
  std::ranges::copy(key.ip, endpoint.ip.bytes.begin());
  return endpoint;
}

}  // namespace

Result<DestinationTable, Problem> DestinationTable::create(UniqueFd destinations, UniqueFd settings,
                                                           std::uint32_t capacity) {
  DestinationTable table(std::move(destinations), std::move(settings), capacity);
  for (const destination_key &key : keys_of<destination_key>(table.map_.get())) {
    destination value{};
    if (const int error = ::bpf_map_lookup_elem(table.map_.get(), &key, &value); error != 0) {
      return problem_with("BPF map destinations", "read", -error,
                          "see whether another culvertd uses the same bpffs folder");
    }
    table.held_.push_back({endpoint_of(key), value.kind});
  }
  std::ranges::sort(table.held_, {}, &Entry::endpoint);
  return table;
}

Result<void, Problem> DestinationTable::set(const Capture::Destinations &destinations) {
  Result<void, Problem> replaced = replace(entries_of(destinations));
  TRY(mark(replaced.has_value()));
  return replaced;
}

// Of two that say different things of one endpoint what is captured wins; but `in_clear` is an
// exception to `workloads`.
DestinationTable::Entries DestinationTable::entries_of(const Capture::Destinations &destinations) {
  Entries all;
  all.reserve(destinations.protected_ports.size() + destinations.services.size() +
              destinations.in_clear.size() + destinations.workloads.size());
  std::set<Ip> in_clear;
  for (const Endpoint &endpoint : destinations.in_clear) {
    all.push_back({endpoint, DESTINATION_CLEAR});
    if (endpoint.port == 0) in_clear.insert(endpoint.ip);
  }
  for (const Ip &ip : destinations.workloads)
    if (!in_clear.contains(ip)) all.push_back({{ip, 0}, DESTINATION_WORKLOAD});
  for (const Endpoint &endpoint : destinations.services)
    all.push_back({endpoint, DESTINATION_SERVICE});
  for (const Endpoint &endpoint : destinations.protected_ports)
    all.push_back({endpoint, DESTINATION_WORKLOAD});
  static_assert(DESTINATION_WORKLOAD < DESTINATION_CLEAR &&
                DESTINATION_SERVICE < DESTINATION_CLEAR);
  std::ranges::sort(all, {},
                    [](const Entry &entry) { return std::pair(entry.endpoint, entry.kind); });
  const auto doubles = std::ranges::unique(all, {}, &Entry::endpoint);
  all.erase(doubles.begin(), doubles.end());
  return all;
}

Result<void, Problem> DestinationTable::replace(const Entries &wanted) {
  // No room before the removals: what does not fit yet has to be refused meanwhile.
  if (!put(wanted, false)) TRY(mark(false));
  TRY(remove_others(wanted));
  TRY(put(wanted, false));
  return put(wanted, true);
}

// Writes what the map does not hold, or has as another kind: all that is in clear, or all else.
Result<void, Problem> DestinationTable::put(const Entries &wanted, bool in_clear) {
  Entries added;
  Result<void, Problem> result;
  for (const Entry &entry : wanted) {
    if ((entry.kind == DESTINATION_CLEAR) != in_clear) continue;
    const auto held = std::ranges::lower_bound(held_, entry.endpoint, {}, &Entry::endpoint);
    const bool is_held = held != held_.end() && held->endpoint == entry.endpoint;
    if (is_held && held->kind == entry.kind) continue;
    result = put_one(entry, wanted.size());
    if (!result) break;
    if (is_held)
      held->kind = entry.kind;
    else
      added.push_back(entry);
  }
  if (added.empty()) return result;
  std::ranges::copy(added, std::back_inserter(held_));
  std::ranges::sort(held_, {}, &Entry::endpoint);
  return result;
}

Result<void, Problem> DestinationTable::put_one(const Entry &entry, std::size_t wanted) const {
  const destination_key key = key_of(entry.endpoint);
  const destination value{entry.kind};
  const int error = ::bpf_map_update_elem(map_.get(), &key, &value, BPF_ANY);
  if (error == 0) return {};
  return problem_with("BPF map destinations: " + entry.endpoint.text(), "insert", -error,
                      std::to_string(wanted) + " meshed destinations, room for " +
                          std::to_string(capacity_) +
                          ": raise destinations_max; until then what is not in the map is refused");
}

Result<void, Problem> DestinationTable::remove_others(const Entries &wanted) {
  Result<void, Problem> result;
  std::erase_if(held_, [&](const Entry &entry) {
    if (std::ranges::binary_search(wanted, entry.endpoint, {}, &Entry::endpoint)) return false;
    const destination_key key = key_of(entry.endpoint);
    const int error = ::bpf_map_delete_elem(map_.get(), &key);
    if (error == 0 || error == -ENOENT) return true;
    result = problem_with("BPF map destinations: " + entry.endpoint.text(), "delete", -error,
                          "restart culvertd");
    return false;
  });
  return result;
}

Result<void, Problem> DestinationTable::mark(bool complete) const {
  const std::uint32_t only = 0;
  const settings value{complete ? DESTINATIONS_COMPLETE : DESTINATIONS_INCOMPLETE};
  const int error = ::bpf_map_update_elem(settings_.get(), &only, &value, BPF_ANY);
  if (error != 0) return problem_with("BPF map settings", "update", -error, "restart culvertd");
  return {};
}

}  // namespace culvert
