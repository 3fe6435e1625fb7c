// SPDX-License-Identifier: Apache-2.0
// Private to node: which connections the kernel hands to the daemon, by the modes of workloads.
// Pure, but for node_addresses(). What the kernel lets pass here needs no identity: the daemon
// would let it in, too.
#pragma once

#include <vector>

#include "culvert/capture.h"
#include "culvert/policy.h"
#include "culvert/snapshot.h"

namespace culvert {

// Of a pod of this node.
InboundSteering steering_of(const Workload &workload, const std::vector<Ip> &node_ips);

// Whether a connection may be past the daemon at all, and whether one that is may stay there, now
// that this is how the pod is steered and these are its policies (null: closed).
bool passes_any(const InboundSteering &steering);
bool may_pass(const Workload &workload, const InboundSteering &steering,
              const PolicyTable *policies, const PassedConnection &connection);

// Whether any port of the pod lets in who has proved no identity.
Plaintext plaintext_of(const Workload &workload);

Capture::Destinations destinations_of(const Snapshot &snapshot);

// The addresses of the node's own interfaces, sorted: where its kubelet's probes come from. Empty
// if they cannot be had: no probe passes then.
std::vector<Ip> node_addresses();

}  // namespace culvert
