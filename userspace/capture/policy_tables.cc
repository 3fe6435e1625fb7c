// SPDX-License-Identifier: Apache-2.0
#include "policy_tables.h"

#include <linux/bpf.h>

#include <algorithm>

namespace culvert {

Result<std::unique_ptr<PolicyTables>, Problem> PolicyTables::create(PolicyFds fds,
                                                                    const PolicyMapSizes &sizes) {
  GracePeriod grace = TRY(GracePeriod::create());
  return std::unique_ptr<PolicyTables>(new PolicyTables(std::move(fds), sizes, std::move(grace)));
}

PolicyTables::PolicyTables(PolicyFds fds, const PolicyMapSizes &sizes, GracePeriod grace)
    : sets_(std::move(fds.sets), "policy_sets", sizes.sets),
      identities_(std::move(fds.identities), "policy_identities", sizes.identities),
      sources_(std::move(fds.sources), "policy_sources", sizes.sources),
      ports_(std::move(fds.ports), "policy_ports", sizes.ports),
      cells_(std::move(fds.cells), "policy_cells", sizes.cells),
      pods_(std::move(fds.pods)),
      probe_(std::move(fds.probe)),
      grace_(std::move(grace)) {
  find_old(sets_);
  find_old(identities_);
  find_old(sources_);
  find_old(ports_);
  find_old(cells_);
  // A pod may refer to a set that is not there: its number is taken all the same.
  for (const std::uint32_t set : referred())
    last_set_ = std::max(last_set_, set);
  if (!old_.empty()) last_set_ = std::max(last_set_, *old_.rbegin());
  for (const policy_identity_key &key : identities_.keys())
    last_identity_ = std::max(last_identity_, key.identity);
}

template <class Table>
void PolicyTables::find_old(const Table &table) {
  for (const auto &key : table.keys())
    old_.insert(set_of(key));
}

std::uint32_t PolicyTables::new_set() {
  ++last_set_;
  ENSURE(last_set_ != 0);
  return last_set_;
}

std::uint32_t PolicyTables::new_identity() {
  ++last_identity_;
  ENSURE(last_identity_ != IDENTITY_NONE);
  return last_identity_;
}

Result<void, Problem> PolicyTables::add_set(std::uint32_t set, PolicyMapContents contents) {
  ENSURE(set != 0 && set <= last_set_ && !held_.contains(set) && !old_.contains(set));
  PolicyMapContents written;
  Result<void, Problem> added = write(set, contents, written);
  if (added)
    held_.emplace(set, std::move(written));
  else
    erase(set, written);
  return added;
}

// The set's own entry is the last: with it the set is whole.
Result<void, Problem> PolicyTables::write(std::uint32_t set, PolicyMapContents &contents,
                                          PolicyMapContents &written) {
  TRY(identities_.insert(set, contents.identities));
  written.identities = std::move(contents.identities);
  TRY(sources_.insert(set, contents.sources));
  written.sources = std::move(contents.sources);
  TRY(ports_.insert(set, contents.ports));
  written.ports = std::move(contents.ports);
  TRY(cells_.insert(set, contents.cells));
  written.cells = std::move(contents.cells);
  return sets_.insert(set, {{set, contents.entry}});
}

void PolicyTables::erase(std::uint32_t set, const PolicyMapContents &written) {
  identities_.remove(set, written.identities);
  sources_.remove(set, written.sources);
  ports_.remove(set, written.ports);
  cells_.remove(set, written.cells);
}

Result<void, Problem> PolicyTables::add_identity(std::uint32_t set, std::uint32_t identity,
                                                 std::uint32_t number) {
  const auto held = held_.find(set);
  ENSURE(held != held_.end() && identity != IDENTITY_NONE);
  const PolicyRows<policy_identity_key, policy_class> row{{{set, identity}, {number}}};
  TRY(identities_.insert(set, row));
  held->second.identities.push_back(row.front());
  return {};
}

void PolicyTables::remove_sets(const std::vector<std::uint32_t> &sets) {
  const bool any = std::ranges::any_of(sets, [this](auto set) { return held_.contains(set); });
  if (!any) return;
  grace_.wait();
  for (const std::uint32_t set : sets) {
    const auto removed = held_.extract(set);
    if (removed.empty()) continue;
    sets_.remove({set});
    erase(set, removed.mapped());
  }
}

std::set<std::uint32_t> PolicyTables::referred() const {
  std::set<std::uint32_t> sets;
  for (const std::uint64_t cookie : keys_of<std::uint64_t>(pods_.get())) {
    pod_entry entry{};
    if (::bpf_map_lookup_elem(pods_.get(), &cookie, &entry) == 0) sets.insert(entry.policy_set);
  }
  return sets;
}

void PolicyTables::drop_orphans() {
  if (old_.empty()) return;
  const std::set<std::uint32_t> kept = referred();
  std::set<std::uint32_t> doomed;
  std::ranges::set_difference(old_, kept, std::inserter(doomed, doomed.end()));
  if (doomed.empty()) return;
  grace_.wait();
  drop(sets_, doomed);
  drop(identities_, doomed);
  drop(sources_, doomed);
  drop(ports_, doomed);
  drop(cells_, doomed);
  for (const std::uint32_t set : doomed)
    old_.erase(set);
}

template <class Table>
void PolicyTables::drop(Table &table, const std::set<std::uint32_t> &doomed) {
  auto keys = table.keys();
  std::erase_if(keys, [&](const auto &key) { return !doomed.contains(set_of(key)); });
  table.remove(keys);
}

Result<verdict_answer> PolicyTables::verdict(const verdict_question &question) const {
  const verdict_probe asked{question, {}};
  verdict_probe answered{};
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = &asked;
  options.data_size_in = sizeof asked;
  options.data_out = &answered;
  options.data_size_out = sizeof answered;
  options.repeat = 1;
  const int error = ::bpf_prog_test_run_opts(probe_.get(), &options);
  if (error != 0) return fail_os("run verdict_probe", -error);
  ENSURE(options.retval == XDP_PASS);
  return answered.answer;
}

std::vector<MapUse> PolicyTables::use() const {
  return {sets_.use(), identities_.use(), sources_.use(), ports_.use(), cells_.use()};
}

}  // namespace culvert
