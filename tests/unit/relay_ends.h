// SPDX-License-Identifier: Apache-2.0
// Half of a path: an application's socket, a relay and one end of a tunnel, as a session has them.
#pragma once

#include "culvert/policy.h"
#include "culvert/relay.h"
#include "support/data_path.h"

namespace culvert::test {

Permit permit();

// `application` is the application's own end of its socket; the relay has the other.
struct Half final : Relay::Owner {
  explicit Half(UniqueFd socket, int side, bool small = false, const TunnelOptions &options = {});
  ~Half();
  void start(bool opened, bool small = false);  // a new application, a new relay, the same tunnel
  void on_relay_message(const ControlMessage &message) override { messages.push_back(message); }
  void on_relay_over(const Relay::Outcome &outcome) override;

  Place place;
  std::unique_ptr<Tunnel> tunnel;
  std::unique_ptr<Relay> relay;
  UniqueFd application;
  std::vector<ControlMessage> messages;
  std::vector<Relay::Outcome> outcomes;
  std::uint64_t up_bytes = 0, down_bytes = 0;
  std::size_t taken_max = 0;
};

// The whole path, both relays started.
struct Path {
  explicit Path(bool small = false, const TunnelOptions &options = {})
      : Path(tcp_pair(small), small, options) {}
  Path(SocketPair sockets, bool small, const TunnelOptions &options)
      : client(std::move(sockets.left), 0, small, options),
        server(std::move(sockets.right), 1, small, options) {}
  bool turn_until(const std::function<bool()> &done,
                  std::chrono::seconds limit = std::chrono::seconds(20));
  void turn_for(std::chrono::milliseconds duration);
  Half client, server;
};

// Half a path and a peer by hand.
struct HalfWithPeer {
  explicit HalfWithPeer(bool opened = true, const TunnelOptions &options = {})
      : HalfWithPeer(tcp_pair(), opened, options) {}
  HalfWithPeer(SocketPair sockets, bool opened, const TunnelOptions &options)
      : peer(make_peer(std::move(sockets.right))),
        half(std::move(sockets.left), 0, false, options) {
    if (!opened) {
      half.relay->close(std::move(half.relay));
      half.start(false);
    }
  }
  void expect_over(Refusal refusal);
  Peer peer;
  Half half;
};

}  // namespace culvert::test
