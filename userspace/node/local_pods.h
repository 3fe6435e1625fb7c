// SPDX-License-Identifier: Apache-2.0
// Private to node: the pods of this node, from their object in the Snapshot to their captured
// namespace.
//
//   waiting (namespace not there yet; tried again) → captured → gone
//   failed (an application holds a reserved port, ...; tried again)
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "culvert/capture.h"
#include "culvert/observe.h"
#include "culvert/session.h"
#include "culvert/snapshot.h"
#include "policies.h"

namespace culvert {

using Workers = std::vector<std::unique_ptr<Worker>>;

class LocalPods {
 public:
  LocalPods(std::string node, Capture &capture, Policies &policies, Workers &workers)
      : node_(std::move(node)), capture_(capture), policies_(policies), workers_(workers) {}

  // `same_places`: it shares_addresses() with the one before.
  void apply(const Snapshot &snapshot, bool same_places);
  // Namespaces appear, vanish and are replaced without an object changing. True: something changed.
  bool check();
  // Policy sets were compiled anew though no object changed, or may be had now. True: publish.
  bool enforce_again();
  // Steering left by an earlier daemon for pods that are not ours any more ends, and its policy
  // sets go.
  void drop_orphans();

  // Plaintext that passed the daemon by, and may not since the pod was told anew, is ended. It
  // takes dumps of a pod's sockets, so every pod is told first; check() looks again.
  void end_passed();

  // Hands new listeners to the data threads, which must have the pods' view by then: until now
  // connections wait in the kernel.
  void listen();

  std::set<SpiffeId> identities() const;  // of captured pods
  void fill(NodeView &view) const;  // all but PodView::identity
  std::vector<PodStatus> statuses() const;
  const PodStatus *status(const std::string &key) const;
  std::uint32_t policy_set(const std::string &key) const;  // as the kernel has it; 0: none
  bool settled() const;  // nothing waits or failed

 private:
  static constexpr int sweeps_after_change = 3;  // by end_passed(), then by check()
  static constexpr std::chrono::milliseconds retry_after_min{500}, retry_after_max{8000};
  struct Pod {
    WorkloadPtr workload;
    std::shared_ptr<const PodNetns> netns;  // null: not open
    bool attached = false;
    std::vector<PodListeners> listeners;  // until listen()
    bool known = false;  // to the capture programs
    bool announced = false;  // in the log
    Policies::InForcePtr policies;  // as the capture programs know them
    InboundSteering steering;  // the same
    bool passed = true;  // connections may be past the daemon: an earlier one may have let them
    int sweeps = 0;  // still to do, for those that were being opened when all this changed
    PodStatus status;
    std::chrono::milliseconds retry_after = retry_after_min;
    std::chrono::steady_clock::time_point retry_at;
  };
  void find_ours(const Snapshot &snapshot);
  bool bring_up(Pod &pod);
  bool attach(Pod &pod);
  Result<void, Problem> tell(Pod &pod, Policies::InForcePtr policies);
  Result<void, Problem> steer(Pod &pod);
  void end_passed(Pod &pod);
  void detach(Pod &pod);
  void forget(Pod &pod);
  bool namespace_is_same(const Pod &pod) const;
  bool wait(Pod &pod, PodStatus::State state, std::string reason);

  const std::string node_;
  Capture &capture_;
  Policies &policies_;
  Workers &workers_;
  std::vector<std::uint32_t> ours_;  // places in Snapshot::workloads
  std::map<std::string, Pod> pods_;  // by key
};

}  // namespace culvert
