// SPDX-License-Identifier: Apache-2.0
#include "relay_ends.h"

#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>

namespace culvert::test {

Permit permit() {
  static const SpiffeId web = *SpiffeId::workload("cluster.local", "shop", "web");
  Workload workload;
  workload.id = web;
  workload.meshed = true;
  const auto verdict = judge({.peer = web, .destination = &workload, .port = 80});
  ENSURE(verdict.has_value());
  return *verdict;
}

Half::Half(UniqueFd socket, int side, bool small, const TunnelOptions &options)
    : tunnel(make_tunnel(place, std::move(socket), side, options)) {
  start(true, small);
}

void Half::start(bool opened, bool small) {
  SocketPair pair = tcp_pair(small);
  application = std::move(pair.left);
  const linger reset{.l_onoff = 1, .l_linger = 0};  // until a clean end, as a session does
  ENSURE(::setsockopt(pair.right.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
  relay = std::make_unique<Relay>(
      permit(), Relay::Place{.ring = *place.ring, .buffers = place.buffers, .pipes = nullptr},
      *tunnel, std::move(pair.right), *this);
  relay->start(opened);
}

void Half::on_relay_over(const Relay::Outcome &outcome) {
  outcomes.push_back(outcome);
  up_bytes = relay->up_bytes();
  down_bytes = relay->down_bytes();
  Relay::close(std::move(relay));
  if (outcome.tunnel_idle) {
    tunnel->set_user(nullptr);
    tunnel->pause();
    return;
  }
  Tunnel::close(std::move(tunnel),
                outcome.refusal == Refusal::none ? Tunnel::Close::clean : Tunnel::Close::reset);
}

Half::~Half() {
  if (relay) Relay::close(std::move(relay));
  if (tunnel) Tunnel::close(std::move(tunnel), Tunnel::Close::reset);
}

bool Path::turn_until(const std::function<bool()> &done, std::chrono::seconds limit) {
  const auto end = Clock::now() + limit;
  while (!done()) {
    if (Clock::now() > end) return false;
    for (Half *half : {&client, &server}) {
      half->place.ring->run_once(Clock::now());
      half->taken_max = std::max(half->taken_max, half->place.buffers.taken());
    }
  }
  return true;
}

void Path::turn_for(std::chrono::milliseconds duration) {
  const auto end = Clock::now() + duration;
  (void)turn_until([end, turns = 0]() mutable { return ++turns > 20 && Clock::now() > end; });
}

void HalfWithPeer::expect_over(Refusal refusal) {
  REQUIRE(half.place.turn_until([this] { return !half.outcomes.empty(); }));
  half.place.turn_for(std::chrono::milliseconds(5));
  REQUIRE(half.outcomes.size() == 1);
  CHECK(name(half.outcomes[0].refusal) == name(refusal));
  CHECK_FALSE(half.outcomes[0].tunnel_idle);
}

}  // namespace culvert::test
