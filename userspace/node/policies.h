// SPDX-License-Identifier: Apache-2.0
// Private to node: the policy sets of local pods in force: compiled, in the kernel's maps, and as
// tables for the data threads. Pods with the same policies share one.
//
// A set is written aside under a new number; a pod's entry publishes it (LocalPods); what no pod
// refers to any more goes with collect(). A set that cannot be had (too large, a map full) is in
// force as number 0: closed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "culvert/capture.h"
#include "culvert/compiled_policy.h"
#include "culvert/identity_numbers.h"
#include "culvert/session.h"
#include "culvert/snapshot.h"
#include "dry_run.h"

namespace culvert {

class Policies {
 public:
  struct InForce {
    std::uint32_t number = 0;  // of the set in the kernel's maps; 0: closed
    PolicySetPtr set;
    std::shared_ptr<const PolicyTable> table;    // null: closed
    std::shared_ptr<const PolicyTable> dry_run;  // null: the set has no dry-run policies
    std::string problem;                         // why it is closed
  };
  using InForcePtr = std::shared_ptr<const InForce>;

  explicit Policies(PolicyMaps &maps) : maps_(maps) {}

  // Every identity of the mesh has a number, and its class in every set, once this returns.
  void know(const SnapshotPtr &snapshot);
  // One that a peer proved and no workload of the snapshot has. True: publish.
  bool learn(const SpiffeId &id);
  std::shared_ptr<const NumberByIdentity> numbers() const { return published_; }
  std::optional<std::uint32_t> number_of(const SpiffeId &id) const { return numbers_.find(id); }

  // What `workload` is to be judged by. Another object than the last time: tell the kernel's entry
  // of the pod, then publish a view.
  InForcePtr enforce(const Workload &workload);
  void collect();  // what nobody refers to any more
  std::vector<std::string> problems() const;

 private:
  // destination.ip is about the workload's own addresses: sets that ask for it are not shared.
  using Key = std::pair<const PolicySet *, std::vector<Ip>>;
  struct Live {
    InForcePtr in_force;
    std::shared_ptr<const CompiledPolicy> compiled;  // null: closed
    DryRun dry_run;
    std::vector<Ip> own;
  };
  void build(Live &live, PolicySetPtr set);
  void add_identities(Live &live, std::uint32_t known);
  static void put_in_force(Live &live, std::uint32_t number, PolicySetPtr set);
  void close(Live &live, PolicySetPtr set, std::string problem);
  void publish_numbers();

  PolicyMaps &maps_;
  IdentityNumbers numbers_;
  std::shared_ptr<const NumberByIdentity> published_ = std::make_shared<const NumberByIdentity>();
  SnapshotPtr snapshot_;  // whose identities are known
  std::map<Key, Live> live_;
  std::vector<std::uint32_t> retired_;  // numbers of sets to remove
};

}  // namespace culvert
