// SPDX-License-Identifier: Apache-2.0
// The maps of one set in memory. Hash tables are open and hold indices into the sorted vectors of
// what was compiled; the source's prefixes have become ranges without overlap.
#include <algorithm>
#include <bit>
#include <tuple>

#include "culvert/compiled_policy.h"

#define VERDICT_TABLES const auto &  // PolicyTable::Maps
#define VERDICT_FIND_SET(number) (&tables.set)
#define VERDICT_FIND_IDENTITY(key) tables.identity(*(key))
#define VERDICT_FIND_SOURCE(key) tables.source(*(key))
#define VERDICT_FIND_PORT(key) tables.port(*(key))
#define VERDICT_FIND_CELL(key) tables.cell(*(key))
#include "culvert/verdict_lookup.h"

namespace culvert {
namespace {

// Entry: with `key`, a std::array of words.
template <class Entry>
class HashTable {
 public:
  void fill(std::vector<Entry> entries) {
    entries_ = std::move(entries);
    slots_.assign(std::bit_ceil(2 * entries_.size() + 1), 0);
    for (std::uint32_t i = 0; i < entries_.size(); ++i) {
      std::size_t slot = hash(entries_[i].key) & (slots_.size() - 1);
      while (slots_[slot] != 0)
        slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = i + 1;
    }
  }
  const Entry *find(const decltype(Entry::key) &key) const {
    std::size_t slot = hash(key) & (slots_.size() - 1);
    for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
      const Entry &entry = entries_[slots_[slot] - 1];
      if (entry.key == key) return &entry;
    }
    return nullptr;
  }

 private:
  static std::size_t hash(const decltype(Entry::key) &key) {
    std::uint64_t hash = 0;
    for (const std::uint32_t word : key) {
      hash = (hash ^ word) * 0x9e3779b97f4a7c15;
      hash ^= hash >> 32;
    }
    return hash;
  }

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // index + 1; 0: empty. At least half of them are
};

struct ClassEntry {
  std::array<std::uint32_t, 1> key;
  policy_class value;
};
struct CellEntry {
  std::array<std::uint32_t, 3> key;
  policy_cell value;
};
struct Range {
  Ip first;
  policy_class value;
};

std::uint32_t port_key(std::uint16_t port, bool is_v6) {
  return port | static_cast<std::uint32_t>(is_v6) << 16;
}

// The first address behind the prefix; false if there is none.
bool behind(const Cidr &prefix, Ip &ip) {
  ip = prefix.base;
  for (std::size_t bit = prefix.bits; bit-- > 0;) {
    const auto mask = static_cast<std::uint8_t>(0x80 >> bit % 8);
    ip.bytes[bit / 8] ^= mask;
    if (ip.bytes[bit / 8] & mask) return true;
  }
  return false;
}

bool covers(const Cidr &outer, const Ip &ip) {
  Ip end;
  return outer.base <= ip && (!behind(outer, end) || ip < end);
}

std::vector<Range> ranges_of(const std::vector<CompiledPolicy::SourceClass> &sources) {
  std::vector<Range> out;
  const auto begin = [&](const Ip &first, std::uint32_t number) {
    if (!out.empty() && out.back().first == first) out.pop_back();
    out.push_back({first, {number}});
  };
  std::vector<CompiledPolicy::SourceClass> open;
  const auto close = [&] {
    Ip end;
    const bool more = behind(open.back().prefix, end);
    open.pop_back();
    if (more) begin(end, open.empty() ? 0 : open.back().number);
  };
  begin(Ip{}, 0);
  for (const auto &source : sources) {
    while (!open.empty() && !covers(open.back().prefix, source.prefix.base))
      close();
    begin(source.prefix.base, source.number);
    open.push_back(source);
  }
  while (!open.empty())
    close();
  return out;
}

}  // namespace

struct PolicyTable::Maps {
  policy_set_entry set;
  HashTable<ClassEntry> identities, ports;
  HashTable<CellEntry> cells;
  std::vector<Range> sources;

  const policy_class *identity(const policy_identity_key &key) const {
    const ClassEntry *found = identities.find({key.identity});
    return found == nullptr ? nullptr : &found->value;
  }
  const policy_class *source(const policy_source_key &key) const {
    Ip ip;
    std::ranges::copy(key.ip, ip.bytes.begin());
    return &std::prev(std::ranges::upper_bound(sources, ip, {}, &Range::first))->value;
  }
  const policy_class *port(const policy_port_key &key) const {
    const ClassEntry *found = ports.find({port_key(key.port, key.is_v6 != 0)});
    return found == nullptr ? nullptr : &found->value;
  }
  const policy_cell *cell(const policy_cell_key &key) const {
    const CellEntry *found = cells.find({key.identity, key.source, key.port});
    return found == nullptr ? nullptr : &found->value;
  }
};

PolicyTable::PolicyTable(const CompiledPolicy &policy) {
  auto maps = std::make_unique<Maps>();
  maps->set = policy.entry;
  std::vector<ClassEntry> entries;
  entries.reserve(policy.identities.size());
  for (const auto &[identity, number] : policy.identities)
    entries.push_back({{identity}, {number}});
  maps->identities.fill(std::move(entries));
  entries = {};
  entries.reserve(policy.ports.size());
  for (const auto &[port, is_v6, number] : policy.ports)
    entries.push_back({{port_key(port, is_v6)}, {number}});
  maps->ports.fill(std::move(entries));
  std::vector<CellEntry> cells;
  cells.reserve(policy.cells.size());
  for (const auto &[identity, source, port, says] : policy.cells)
    cells.push_back({{identity, source, port}, says});
  maps->cells.fill(std::move(cells));
  maps->sources = ranges_of(policy.sources);
  maps_ = std::move(maps);
}
PolicyTable::PolicyTable(PolicyTable &&) noexcept = default;
PolicyTable &PolicyTable::operator=(PolicyTable &&) noexcept = default;
PolicyTable::~PolicyTable() = default;

verdict_answer PolicyTable::judge(const Question &question) const {
  verdict_question asked{.set = 0,
                         .identity = question.identity,
                         .client = {},
                         .port = question.port,
                         .is_v6 = question.is_v6};
  std::ranges::copy(question.client.bytes, asked.client);
  verdict_answer answer;
  culvert_judge(&asked, &answer, *maps_);
  return answer;
}

}  // namespace culvert
