// SPDX-License-Identifier: Apache-2.0
#include "steering.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <string>

#include "problem_text.h"

namespace culvert {

namespace {

std::string pin_name(const char *map, std::uint64_t cookie) {
  return std::string(map) + "_" + std::to_string(cookie);
}

inbound_steer steer_of(Steer steer) {
  switch (steer) {
    case Steer::none:
      return STEER_NONE;
    case Steer::meshed:
      return STEER_MESHED;
    case Steer::all:
      break;
  }
  return STEER_ALL;
}

bool is_same(const inbound_port &one, const inbound_port &other) {
  return one.steer == other.steer && one.probe == other.probe;
}

inbound_node_key key_of(const Ip &ip) {
  inbound_node_key key{};
  std::ranges::copy(ip.bytes, key.ip);
  return key;
}

Result<void, Problem> written(int error, const char *map, const char *what) {
  if (error == 0 || error == -ENOENT) return {};  // ENOENT: removed already
  return problem_with(std::string("BPF map ") + map, what, -error,
                      "all inbound connections of the pod are steered to culvertd until it fits");
}

Result<void, Problem> fits(std::size_t count, std::size_t capacity, const char *what) {
  if (count <= capacity) return {};
  return problem("pod: " + std::to_string(count) + " " + what + ", room for " +
                 std::to_string(capacity) +
                 ": declare fewer; until then all its inbound connections are steered to culvertd");
}

}  // namespace

Result<void, Problem> Steering::pin(const Pins &pins, std::uint64_t cookie) const {
  TRY(pins.pin_map(steering_.get(), pin_name("inbound_steering", cookie)));
  TRY(pins.pin_map(ports_.get(), pin_name("inbound_ports", cookie)));
  return pins.pin_map(nodes_.get(), pin_name("inbound_nodes", cookie));
}

void Steering::unpin(const Pins &pins, std::uint64_t cookie) {
  for (const char *map : {"inbound_steering", "inbound_ports", "inbound_nodes"})
    pins.remove_map(pin_name(map, cookie));
}

Result<void, Problem> Steering::set(const InboundSteering &wanted) {
  const State state = state_of(wanted);
  if (is_held(state)) return {};
  TRY(begin());
  TRY(fits(state.ports.size(), INBOUND_PORTS_MAX, "inbound ports with a mode or probe"));
  TRY(fits(state.nodes.size(), INBOUND_NODES_MAX, "addresses of this node"));
  TRY(write_ports(state));
  TRY(write_nodes(state));
  return finish(state.everywhere);
}

Steering::State Steering::state_of(const InboundSteering &wanted) {
  State state{steer_of(wanted.everywhere), {}, {wanted.node_ips.begin(), wanted.node_ips.end()}};
  for (const InboundSteering::Port &port : wanted.ports) {
    const auto [entry, fresh] =
        state.ports.try_emplace(port.port, inbound_port{steer_of(port.steer), PROBE_NONE});
    if (!fresh) entry->second.steer = std::min(entry->second.steer, steer_of(port.steer));
  }
  for (const std::uint16_t port : wanted.probe_ports) {
    state.ports.try_emplace(port, inbound_port{state.everywhere, PROBE_NONE}).first->second.probe =
        PROBE_PORT;
  }
  return state;
}

bool Steering::is_held(const State &wanted) const {
  const auto is_same_entry = [](const auto &one, const auto &other) {
    return one.first == other.first && is_same(one.second, other.second);
  };
  return version_ % 2 == 0 && held_.everywhere == wanted.everywhere &&
         held_.nodes == wanted.nodes &&
         std::ranges::equal(held_.ports, wanted.ports, is_same_entry);
}

// From here to finish() everything is steered, also by a program that has begun to read.
Result<void, Problem> Steering::begin() {
  if (version_ % 2 != 0) return {};
  TRY(write({version_ + 1, STEER_ALL}));
  ++version_;
  return {};
}

Result<void, Problem> Steering::finish(inbound_steer everywhere) {
  TRY(write({version_ + 1, everywhere}));
  ++version_;
  held_.everywhere = everywhere;
  return {};
}

Result<void, Problem> Steering::write_ports(const State &wanted) {
  // Removed first: that makes room.
  for (auto held = held_.ports.begin(); held != held_.ports.end();) {
    if (wanted.ports.contains(held->first)) {
      ++held;
      continue;
    }
    TRY(written(::bpf_map_delete_elem(ports_.get(), &held->first), "inbound_ports", "delete"));
    held = held_.ports.erase(held);
  }
  for (const auto &[port, how] : wanted.ports) {
    const auto held = held_.ports.find(port);
    if (held != held_.ports.end() && is_same(held->second, how)) continue;
    TRY(written(::bpf_map_update_elem(ports_.get(), &port, &how, BPF_ANY), "inbound_ports",
                "insert"));
    held_.ports.insert_or_assign(port, how);
  }
  return {};
}

Result<void, Problem> Steering::write_nodes(const State &wanted) {
  for (auto held = held_.nodes.begin(); held != held_.nodes.end();) {
    if (wanted.nodes.contains(*held)) {
      ++held;
      continue;
    }
    const inbound_node_key key = key_of(*held);
    TRY(written(::bpf_map_delete_elem(nodes_.get(), &key), "inbound_nodes", "delete"));
    held = held_.nodes.erase(held);
  }
  constexpr std::uint32_t present = 1;
  for (const Ip &ip : wanted.nodes) {
    if (held_.nodes.contains(ip)) continue;
    const inbound_node_key key = key_of(ip);
    TRY(written(::bpf_map_update_elem(nodes_.get(), &key, &present, BPF_ANY), "inbound_nodes",
                "insert"));
    held_.nodes.insert(ip);
  }
  return {};
}

Result<void, Problem> Steering::write(const inbound_steering &value) const {
  const std::uint32_t only = 0;
  return written(::bpf_map_update_elem(steering_.get(), &only, &value, BPF_ANY), "inbound_steering",
                 "update");
}

}  // namespace culvert
