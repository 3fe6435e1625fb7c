// SPDX-License-Identifier: Apache-2.0
// report: what a data thread counts and tells. Written by session, read by observe; values only.
//
// Counters are written by one thread and read by any (relaxed). Traffic and live connections are
// the thread's own; it copies them out when the control thread asks (ThreadReport). Ended
// connections and refusals go through an EventQueue: bounded, never blocks the data thread, drops
// are counted.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "culvert/address.h"
#include "culvert/crypto.h"
#include "culvert/refusal.h"
#include "culvert/snapshot.h"

namespace culvert {

enum class Direction : std::uint8_t { inbound, outbound };  // relative to the local workload
enum class RecordEngine : std::uint8_t { kernel, userspace };

// TunnelFacts says what a tunnel is; shared by the connections that go through it.
struct TunnelFacts {
  SpiffeId local, peer;
  CipherSuite suite{};
  std::string_view group;
  bool resumed = false;
  bool bare = false;  // the peer does not speak culvert/1
  bool plaintext = false;  // no TLS, so no peer; bare, too
  RecordEngine engine{};
};

struct ConnectionRecord {
  std::uint64_t id = 0;  // unique in the daemon's life
  Direction direction{};
  // From the application's point of view: who connects to whom. Null: not known to us.
  WorkloadPtr source, destination;
  ServicePortPtr service;  // outbound, when a Service address was asked for
  Endpoint source_address, destination_address;
  std::shared_ptr<const TunnelFacts> tunnel;  // null: none was established
  bool reused = false;                        // the tunnel had carried a connection before
  bool established = false;                   // it was allowed, and bytes could flow
  Time opened;
  std::chrono::microseconds duration{};
  std::uint64_t sent_bytes = 0;      // source to destination
  std::uint64_t received_bytes = 0;  // destination to source
  PolicyPtr policy;                  // inbound: that decided; null: none applies
  PolicyPtr dry_run;                 // that would have decided the opposite; null: none would
  bool dry_run_allows = false;       // and what: the opposite
  Refusal refusal = Refusal::none;   // none: ended as the applications ended it
  std::string detail;                // of a refusal
};

class Counter {
 public:
  void add(std::uint64_t n = 1) {  // single writer
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct Counters {
  static constexpr std::size_t refusal_count = static_cast<std::size_t>(Refusal::count);
  // Upper bounds of culvert_handshake_seconds in microseconds; the last bucket is +Inf.
  static constexpr std::array<std::uint32_t, 10> handshake_bounds_us = {
      250, 500, 1000, 2500, 5000, 10000, 25000, 100000, 1000000, 10000000};

  std::array<std::array<Counter, refusal_count>, 2> refusals;  // [Direction]
  struct Handshakes {
    Counter full, resumed, failed;
  };
  std::array<Handshakes, 2> handshakes;  // [Direction]: inbound = server side
  std::array<Counter, handshake_bounds_us.size() + 1> handshake_buckets;
  Counter handshake_sum_us;
  std::array<Counter, 2> connections;  // live, [Direction]
  Counter handshakes_in_progress;
  Counter tunnels_idle;    // in the client side's pool
  Counter tunnels_opened;  // client side, by a handshake
  Counter tunnels_reused;
  Counter key_updates_sent, key_updates_received;
  Counter spliced_sent_bytes, spliced_received_bytes;  // into and out of tunnels, by splice(2)
  Counter events_dropped;  // log lines lost because the control thread was behind
};

struct TrafficKey {
  Direction direction{};
  WorkloadPtr source, destination;
  ServicePortPtr service;
  std::string peer_identity;  // from TLS; empty: none
  Refusal refusal = Refusal::none;
  bool operator==(const TrafficKey &) const = default;
};
struct Traffic {
  std::uint64_t opened = 0, closed = 0, sent_bytes = 0, received_bytes = 0;
};

struct PolicyHits {  // connections that a policy decided
  std::uint64_t allowed = 0, denied = 0;
};
using PolicyHitsByKey = std::vector<std::pair<std::string, PolicyHits>>;  // key() of the policy

struct ThreadReport {
  std::vector<std::pair<TrafficKey, Traffic>> traffic;  // includes live connections' bytes
  std::vector<ConnectionRecord> live;
  PolicyHitsByKey policies;
  PolicyHitsByKey dry_run;  // what dry-run policies would have decided the other way
};

// EventQueue: one data thread writes, the control thread reads. Fixed size, no locks.
class EventQueue {
 public:
  explicit EventQueue(std::size_t capacity);  // a power of two
  bool push(ConnectionRecord &&record);       // false: full
  std::optional<ConnectionRecord> pop();

 private:
  std::vector<ConnectionRecord> slots_;
  alignas(64) std::atomic<std::size_t> head_{0};  // next to read
  alignas(64) std::atomic<std::size_t> tail_{0};  // next to write
};

}  // namespace culvert
