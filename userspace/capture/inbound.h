// SPDX-License-Identifier: Apache-2.0
// inbound: steering a pod's inbound connections to the daemon's listeners (sk_lookup).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "culvert/capture.h"
#include "pins.h"
#include "steering.h"

namespace culvert {

// Pins of a pod: links/inbound_<cookie>, maps/inbound_<cookie> (its listeners) and those of
// steering.h.
std::string inbound_name(std::uint64_t cookie);
std::optional<std::uint64_t> inbound_cookie(const std::string &name);

// The node's maps that the program uses.
struct NodeMaps {
  int events, destinations, settings;
};

struct Inbound {
  UniqueFd link;
  Steering steering;
};

// Loads an instance of the program with a map of these listeners and puts it on the pod's
// namespace, in the place of a previous daemon's. It steers everything.
Result<Inbound, Problem> steer_inbound(const Pins &pins, const PodNetns &netns,
                                       const PodListeners &listeners, const NodeMaps &node);
void remove_inbound(const Pins &pins, std::uint64_t cookie);

}  // namespace culvert
