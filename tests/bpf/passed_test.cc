// SPDX-License-Identifier: Apache-2.0
// Connections that go straight to an application: which they are, and their end.
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <utility>
#include <vector>

#include "capture_world.h"

using namespace culvert;
using namespace culvert::test;

namespace {

constexpr std::uint16_t port = 8080;

// An application of pod b accepts on an IPv6 socket what pod a connects.
class Passing {
 public:
  Passing() : capture(world.meshed_capture()) {
    listener = world.b->application_socket(AF_INET6);
    bind_to(listener.get(), {Ip{}, port});
  }

  struct Connection {
    UniqueFd client, application;
  };
  Connection connect(const Ip &to) {
    Connection made{world.a->outside_socket(to.is_v4() ? AF_INET : AF_INET6), {}};
    REQUIRE(connect_to(made.client.get(), {to, port}) == 0);
    auto accepted = accept_on(listener.get());
    REQUIRE(accepted);
    made.application = std::move(accepted->fd);
    return made;
  }

  PassedSweep sweep(const PassedStays &stays) {
    PassedSweep swept = capture->end_passed(world.b->netns, stays);
    if (swept.problem) FAIL(swept.problem->text);
    return swept;
  }

  World world;
  std::unique_ptr<Capture> capture;
  UniqueFd listener;
};

// 0 or errno of a read that must end.
int read_end(int socket) {
  const timeval patience{5, 0};
  REQUIRE(::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
  char byte = 0;
  return ::recv(socket, &byte, 1, 0) < 0 ? errno : 0;
}

bool is_alive(const Passing::Connection &connection) {
  char byte = 'x';
  return ::send(connection.client.get(), &byte, 1, MSG_NOSIGNAL) == 1 &&
         ::recv(connection.application.get(), &byte, 1, 0) == 1;
}

const PassedStays nobody = [](const PassedConnection &) { return false; };

}  // namespace

TEST_CASE("passed: both families are found with both ends, and ended as by a reset") {
  Passing pods;
  for (const Ip &to : {pods.world.b->addresses.v4, pods.world.b->addresses.v6}) {
    const auto connection = pods.connect(to);
    const Endpoint client = name_of(connection.client.get());
    const PassedSweep swept = pods.sweep([&](const PassedConnection &found) {
      CHECK(found.client == client);
      CHECK(found.application == Endpoint{to, port});
      return false;
    });
    REQUIRE(swept.ended.size() == 1);
    CHECK(swept.ended[0].client == client);
    CHECK(swept.left == 0);
    CHECK(read_end(connection.client.get()) == ECONNRESET);
    CHECK(read_end(connection.application.get()) == ECONNABORTED);
  }
  CHECK(event(*pods.capture, "ended_plaintext") == 2);
  CHECK(pods.sweep(nobody).ended.empty());
}

TEST_CASE("passed: what may stay is not touched, and counted as left") {
  Passing pods;
  const auto stays = pods.connect(pods.world.b->addresses.v4);
  const auto goes = pods.connect(pods.world.b->addresses.v6);
  const PassedSweep swept =
      pods.sweep([](const PassedConnection &found) { return found.client.ip.is_v4(); });
  CHECK(swept.ended.size() == 1);
  CHECK(swept.left == 1);
  CHECK(is_alive(stays));
  CHECK(read_end(goes.client.get()) == ECONNRESET);
}

TEST_CASE("passed: not what the pod itself opened, nor what is within the pod") {
  Passing pods;
  const Ip elsewhere = *Ip::parse("10.9.0.9");  // of no workload
  pods.world.a->shell("ip addr add " + elsewhere.text() + "/24 dev eth0");
  const UniqueFd far_listener = pods.world.a->outside_socket(AF_INET);
  bind_to(far_listener.get(), {elsewhere, 9000});
  Passing::Connection outbound{pods.world.b->application_socket(AF_INET), {}};
  REQUIRE(connect_to(outbound.client.get(), {elsewhere, 9000}) == 0);
  outbound.application = std::move(accept_on(far_listener.get())->fd);

  std::vector<Passing::Connection> within;
  for (const Ip &to : {Ip::loopback_v4(), pods.world.b->addresses.v4}) {
    within.push_back({pods.world.b->application_socket(AF_INET), {}});
    REQUIRE(connect_to(within.back().client.get(), {to, port}) == 0);
    within.back().application = std::move(accept_on(pods.listener.get())->fd);
  }
  CHECK(pods.sweep(nobody).ended.empty());
  CHECK(is_alive(outbound));
  for (const auto &connection : within)
    CHECK(is_alive(connection));
}

TEST_CASE("passed: not the daemon's own, nor an application's end of what the daemon connected") {
  Passing pods;
  const UniqueFd daemon = daemon_socket(*pods.world.b, AF_INET);
  const Endpoint client{pods.world.a->addresses.v4, 5555};
  REQUIRE(pods.capture->announcer().announce(daemon.get(), client, 1));
  REQUIRE(connect_to(daemon.get(), {pods.world.b->addresses.v4, port}) == 0);
  const auto relayed = accept_on(pods.listener.get());
  REQUIRE(relayed);

  auto attached = pods.capture->attach_pod(pods.world.b->netns, 1);  // steers from here on
  REQUIRE(attached);
  const UniqueFd peer = pods.world.a->outside_socket(AF_INET);
  REQUIRE(connect_to(peer.get(), {pods.world.b->addresses.v4, port}) == 0);
  const auto inbound = accept_on(attached->front().inbound_v4.get());
  REQUIRE(inbound);

  CHECK(pods.sweep(nobody).ended.empty());
  for (const auto &[from, to] :
       {std::pair(daemon.get(), relayed->fd.get()), std::pair(peer.get(), inbound->fd.get())}) {
    char byte = 'x';
    CHECK(::send(from, &byte, 1, MSG_NOSIGNAL) == 1);
    CHECK(::recv(to, &byte, 1, 0) == 1);
  }
}
