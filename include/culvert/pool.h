// SPDX-License-Identifier: Apache-2.0
// pool: idle tunnels of one data thread, client side, waiting for the next connection of the same
// pod to the same pod and port. Newest first, so that surplus ages and goes. An idle tunnel on
// which anything arrives is over: only OPENED proves that a tunnel is alive.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

#include "culvert/policy_set.h"
#include "culvert/tunnel.h"

namespace culvert {

class TunnelPool {
 public:
  struct Key {
    std::uint64_t source;  // netns cookie of the source pod
    Endpoint destination;  // the pod's own address and port
    bool operator==(const Key &) const = default;
  };
  struct Idle {
    std::unique_ptr<Tunnel> tunnel;
    std::shared_ptr<const TlsIdentity> identity;  // with which it was made
    PolicySetPtr policies{};  // that the destination had then
    Clock::time_point born;
  };
  struct Limits {
    std::size_t key_max = 128;  // 0: no reuse
    std::size_t total_max = 8192;
    Clock::duration idle_timeout, age_max;
  };
  TunnelPool(Ring &ring, Counters &counters, const Limits &limits);
  ~TunnelPool();

  bool enabled() const { return limits_.key_max > 0; }
  void put(const Key &key, Idle idle);  // beyond a limit, too old, worn: closed instead
  // The newest, if it was made with `identity` towards `peer`; others of the key are closed.
  std::optional<Idle> take(const Key &key, const TlsIdentity *identity, const SpiffeId &peer);
  // Closes every idle tunnel for which `keep` says no: rotation, a pod gone, a peer relabelled.
  template <class Keep>
  void sweep(Keep keep);
  void clear();
  std::optional<Clock::time_point> next() const { return timers_.next(); }
  void run_timers(Clock::time_point now) { timers_.run(now); }

 private:
  // NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): final, which this cannot say
  class Entry;
  struct Hash {
    std::size_t operator()(const Key &key) const noexcept;
  };
  using Entries = std::list<std::unique_ptr<Entry>>;
  void remove(Entry &entry, Tunnel::Close how);
  static const Idle &idle_of(const Entry &entry);

  Ring &ring_;
  Counters &counters_;
  const Limits limits_;
  TimerList timers_;
  std::unordered_map<Key, Entries, Hash> entries_;
  std::size_t total_ = 0;
  std::vector<Entry *> doomed_;
};

template <class Keep>
void TunnelPool::sweep(Keep keep) {
  doomed_.clear();
  for (auto &[key, entries] : entries_) {
    for (auto &entry : entries) {
      if (!keep(key, idle_of(*entry))) doomed_.push_back(entry.get());
    }
  }
  for (Entry *entry : doomed_)
    remove(*entry, Tunnel::Close::clean);
}

}  // namespace culvert
