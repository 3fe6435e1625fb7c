// SPDX-License-Identifier: Apache-2.0
// steering: a pod's maps inbound_steering, inbound_ports and inbound_nodes: which of its inbound
// connections the kernel hands to the daemon. New maps steer everything.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "culvert/abi.h"
#include "culvert/capture.h"
#include "culvert/fd.h"
#include "pins.h"

namespace culvert {

class Steering {
 public:
  Steering(UniqueFd steering, UniqueFd ports, UniqueFd nodes)
      : steering_(std::move(steering)), ports_(std::move(ports)), nodes_(std::move(nodes)) {}

  // Pins maps/inbound_steering_<cookie>, inbound_ports_<cookie>, inbound_nodes_<cookie>.
  Result<void, Problem> pin(const Pins &pins, std::uint64_t cookie) const;
  static void unpin(const Pins &pins, std::uint64_t cookie);

  // See Capture::steer. Writes the difference while everything is steered; no system call where
  // there is none.
  Result<void, Problem> set(const InboundSteering &wanted);

 private:
  struct State {
    inbound_steer everywhere = STEER_ALL;
    std::map<std::uint16_t, inbound_port> ports;
    std::set<Ip> nodes;
  };

  static State state_of(const InboundSteering &wanted);
  bool is_held(const State &wanted) const;
  Result<void, Problem> begin();
  Result<void, Problem> write_ports(const State &wanted);
  Result<void, Problem> write_nodes(const State &wanted);
  Result<void, Problem> finish(inbound_steer everywhere);
  Result<void, Problem> write(const inbound_steering &value) const;

  UniqueFd steering_, ports_, nodes_;
  std::uint32_t version_ = 0;  // odd: being changed, or what was wanted did not fit
  State held_;  // what the maps hold; `everywhere` holds once it is finished
};

}  // namespace culvert
