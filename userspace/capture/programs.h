// SPDX-License-Identifier: Apache-2.0
// programs: the node's BPF programs, from their objects to the cgroups.
#pragma once

#include <memory>
#include <vector>

#include "cgroup.h"
#include "culvert/capture.h"
#include "pins.h"
#include "policy_tables.h"

struct culvert_node;  // node.skel.h

namespace culvert {

struct SkeletonDeleter {
  void operator()(culvert_node *skeleton) const;
};

struct NodePrograms {
  UniqueFd pods, destinations, settings, flows, peers, sockets, events;
  PolicyFds policies;
  std::unique_ptr<culvert_node, SkeletonDeleter> skeleton;  // until they are attached
  std::vector<UniqueFd> links;
};

// Loads them on the maps that a previous daemon pinned or else on new ones, which it pins.
Result<NodePrograms, Problem> load_programs(const Capture::Options &options, const Pins &pins);

// Puts them on the cgroups: from here on connections are captured and judged.
Result<void, Problem> attach_programs(NodePrograms &programs, const Pins &pins, const Cgroup &pods,
                                      const Cgroup &own);

}  // namespace culvert
