// SPDX-License-Identifier: Apache-2.0
#include "culvert/pool.h"

namespace culvert {

class TunnelPool::Entry final : public Tunnel::User {
 public:
  Entry(TunnelPool &pool, const Key &its_key, Idle its_idle)
      : key(its_key), idle(std::move(its_idle)), pool_(pool) {}

  // An idle tunnel has nothing to say: whatever comes, it is over.
  bool on_tunnel_data(std::span<iovec>, std::size_t, bool) override {
    pool_.remove(*this, Tunnel::Close::reset);
    return false;
  }
  void on_tunnel_message(const ControlMessage &) override {
    pool_.remove(*this, Tunnel::Close::reset);
  }
  void on_tunnel_writable() override {}
  void on_tunnel_closed(Refusal refusal) override {
    pool_.remove(*this, refusal == Refusal::none ? Tunnel::Close::clean : Tunnel::Close::reset);
  }
  void on_timeout() { pool_.remove(*this, Tunnel::Close::clean); }

  const Key key;
  Idle idle;
  Timer timer;
  Entries::iterator place;

 private:
  TunnelPool &pool_;
};

std::size_t TunnelPool::Hash::operator()(const Key &key) const noexcept {
  return std::hash<Endpoint>()(key.destination) ^ (key.source * 0x9e3779b97f4a7c15ULL);
}

const TunnelPool::Idle &TunnelPool::idle_of(const Entry &entry) { return entry.idle; }

TunnelPool::TunnelPool(Ring &ring, Counters &counters, const Limits &limits)
    : ring_(ring), counters_(counters), limits_(limits), timers_(limits.idle_timeout) {}

TunnelPool::~TunnelPool() { ENSURE(total_ == 0); }

void TunnelPool::put(const Key &key, Idle idle) {
  Entries &entries = entries_[key];
  const bool fits = entries.size() < limits_.key_max && total_ < limits_.total_max;
  const bool young = ring_.now() - idle.born < limits_.age_max;
  if (!fits || !young || idle.tunnel->records().send_key_worn()) {
    Tunnel::close(std::move(idle.tunnel), Tunnel::Close::clean);
    if (entries.empty()) entries_.erase(key);
    return;
  }
  entries.push_back(std::make_unique<Entry>(*this, key, std::move(idle)));
  Entry &entry = *entries.back();
  entry.place = std::prev(entries.end());
  ++total_;
  counters_.tunnels_idle.add();
  timers_.arm<&Entry::on_timeout>(entry.timer, &entry, ring_.now());
  entry.idle.tunnel->set_user(&entry);
  entry.idle.tunnel->resume();
}

std::optional<TunnelPool::Idle> TunnelPool::take(const Key &key, const TlsIdentity *identity,
                                                 const SpiffeId &peer) {
  while (true) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    Entry &entry = *found->second.back();
    const bool usable = entry.idle.identity.get() == identity &&
                        entry.idle.tunnel->facts().peer == peer &&
                        ring_.now() - entry.idle.born < limits_.age_max;
    if (!usable) {
      remove(entry, Tunnel::Close::clean);
      continue;
    }
    Idle idle = std::move(entry.idle);
    remove(entry, Tunnel::Close::clean);
    return idle;
  }
}

void TunnelPool::remove(Entry &entry, Tunnel::Close how) {
  if (entry.idle.tunnel != nullptr) Tunnel::close(std::move(entry.idle.tunnel), how);
  entry.timer.disarm();
  --total_;
  counters_.tunnels_idle.subtract();
  const auto found = entries_.find(entry.key);
  // The entry may be running: it is deleted here, so callers return at once.
  found->second.erase(entry.place);
  if (found->second.empty()) entries_.erase(found);
}

void TunnelPool::clear() {
  sweep([](const Key &, const Idle &) { return false; });
}

}  // namespace culvert
