// SPDX-License-Identifier: Apache-2.0
// session: the only room that knows the order of a connection's steps.
//
//   outbound  accept → flow taken → destination resolved → idle tunnel, or connect → handshake →
//             offload → OPEN → relay
//   inbound   accept → handshake → offload → OPEN → verdict (Permit) → application connected →
//             OPENED → relay → idle: the next OPEN
//
// A Worker is one data thread: one ring, its sessions, its idle tunnels. Sessions never move
// between threads. Everything another thread wants of it goes through post(): a new view,
// listeners, a report, the drain.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <unordered_map>

#include "culvert/capture.h"
#include "culvert/compiled_policy.h"
#include "culvert/handshake.h"
#include "culvert/offload.h"
#include "culvert/report.h"
#include "culvert/snapshot.h"

namespace culvert {

// PodView is a captured local pod as the data threads see it. `identity` null: no SVID (yet, or any
// more), `policies` null: not in force (yet): its connections are refused.
struct PodView {
  WorkloadPtr workload;
  std::shared_ptr<const PodNetns> netns;
  std::shared_ptr<const TlsIdentity> identity;
  std::shared_ptr<const PolicyTable> policies;  // of policy_set, as the kernel has them
  std::shared_ptr<const PolicyTable>
      dry_run;  // with dry-run policies in force; null: there are none
  PolicySetPtr policy_set;
};

using NumberByIdentity = std::unordered_map<std::string, std::uint32_t>;  // SpiffeId::text()

struct NodeView {
  SnapshotPtr snapshot;
  std::unordered_map<std::uint64_t, PodView> pods;  // by netns cookie
  std::shared_ptr<const NumberByIdentity> numbers;
};

class Worker {
 public:
  struct Settings {
    unsigned index = 0;  // of this data thread; thread name culvert-data-<index>
    RecordEngine engine{};
    Records::Options records;
    bool splice = false;  // kernel engine, bulk
    std::uint32_t connections_max = 0;  // of this thread, as all below
    std::uint32_t handshakes_max = 0;
    std::uint32_t idle_max = 0;
    std::chrono::milliseconds handshake_timeout{}, idle_timeout{}, age_max{};
    std::chrono::seconds keepalive{};
  };
  static Result<std::unique_ptr<Worker>, Problem> start(const Settings &settings, FlowTable flows,
                                                        Announcer announcer);
  ~Worker();  // stops and joins; live connections are reset

  void apply(std::shared_ptr<const NodeView> view);
  void add_listeners(std::uint64_t cookie, PodListeners listeners);
  void remove_listeners(std::uint64_t cookie);
  // No new connections, idle tunnels closed; connections go on.
  void drain();
  // Answered by the thread, later. A dead thread never answers: wait with a limit.
  std::future<ThreadReport> report();

  const Counters &counters() const;
  EventQueue &events();

  // Identities that peers proved and the view has no number for; their connections wait for one.
  // The descriptor is readable when there are any.
  int unnumbered_fd() const;
  std::vector<SpiffeId> take_unnumbered();

 private:
  struct State;
  explicit Worker(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace culvert
