// SPDX-License-Identifier: Apache-2.0
// What reaches a pod from outside, and what its applications see of their clients.
#include <poll.h>

#include <array>
#include <catch2/catch_test_macros.hpp>

#include "capture_world.h"

using namespace culvert;
using namespace culvert::test;

namespace {

constexpr std::uint16_t port = 8080;
constexpr std::uint16_t reserved_ports[] = {15001, 15006};

const Endpoint client_v4{*Ip::parse("10.77.0.5"), 40001};
const Endpoint client_v6{*Ip::parse("fd77::5"), 40002};

UniqueFd application_listener(const Pod &pod, int family, const Endpoint &endpoint) {
  UniqueFd server = pod.application_socket(family);
  const int reuse = 1;
  REQUIRE(::setsockopt(server.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) == 0);
  bind_to(server.get(), endpoint);
  return server;
}

}  // namespace

TEST_CASE("inbound: accept and getpeername show the client that the daemon announced") {
  World world;
  const auto capture = world.meshed_capture();
  REQUIRE(capture->attach_pod(world.b->netns, 1));
  struct Case {
    int server_family;
    Ip server;
    Endpoint client;
  };
  for (const Case &one : {Case{AF_INET, world.b->addresses.v4, client_v4},
                          Case{AF_INET6, world.b->addresses.v6, client_v6},
                          Case{AF_INET6, world.b->addresses.v4, client_v4}}) {  // dual-stack
    INFO(one.server_family << " " << one.server.text());
    const bool dual = one.server_family == AF_INET6 && one.server.is_v4();
    const UniqueFd server =
        application_listener(*world.b, one.server_family, {dual ? Ip{} : one.server, port});
    const UniqueFd upstream = daemon_socket(*world.b, one.server.is_v4() ? AF_INET : AF_INET6);
    REQUIRE(capture->announcer().announce(upstream.get(), one.client, 1));
    REQUIRE(connect_to(upstream.get(), {one.server, port}) == 0);
    const auto accepted = accept_on(server.get());
    REQUIRE(accepted);
    CHECK(accepted->peer == one.client);
    CHECK(peer_of(accepted->fd.get()) == one.client);
    CHECK(name_of(accepted->fd.get()) == Endpoint{one.server, port});
    CHECK(entries(*capture, "peers") == 0);
  }
  CHECK(event(*capture, "unannounced") == 0);
}

TEST_CASE("inbound: the client stays the peer after the daemon's socket closed") {
  World world;
  const auto capture = world.meshed_capture();
  const UniqueFd server = application_listener(*world.b, AF_INET, {world.b->addresses.v4, port});
  UniqueFd upstream = daemon_socket(*world.b, AF_INET);
  REQUIRE(capture->announcer().announce(upstream.get(), client_v4, 1));
  REQUIRE(connect_to(upstream.get(), {world.b->addresses.v4, port}) == 0);
  upstream.reset();
  const auto accepted = accept_on(server.get());
  REQUIRE(accepted);
  CHECK(accepted->peer == client_v4);
  CHECK(peer_of(accepted->fd.get()) == client_v4);
}

TEST_CASE("inbound: 2,000 announcements leave nothing behind, accepted or refused") {
  World world;
  const auto capture = world.meshed_capture();
  const UniqueFd server = application_listener(*world.b, AF_INET, {world.b->addresses.v4, port});
  for (int count = 0; count < 2000; ++count) {
    const UniqueFd upstream = daemon_socket(*world.b, AF_INET);
    const Endpoint client{client_v4.ip, static_cast<std::uint16_t>(10000 + count)};
    REQUIRE(capture->announcer().announce(upstream.get(), client, 1));
    if (count % 4 == 0) {
      CHECK(connect_to(upstream.get(), {world.b->addresses.v4, 81}) == ECONNREFUSED);
      continue;
    }
    REQUIRE(connect_to(upstream.get(), {world.b->addresses.v4, port}) == 0);
    const auto accepted = accept_on(server.get());
    REQUIRE(accepted);
    REQUIRE(accepted->peer == client);
  }
  CHECK(entries(*capture, "peers") == 0);
}

TEST_CASE("inbound: every port is steered to the listeners of all data threads") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.b->netns, 2);
  REQUIRE(listeners);
  REQUIRE(listeners->size() == 2);
  const UniqueFd server = application_listener(*world.b, AF_INET6, {Ip{}, port});
  for (const bool v4 : {true, false}) {
    const Ip ip = v4 ? world.b->addresses.v4 : world.b->addresses.v6;
    const auto listener = [&](std::size_t thread) {
      return (v4 ? (*listeners)[thread].inbound_v4 : (*listeners)[thread].inbound_v6).get();
    };
    std::array<int, 2> accepted_by{};
    std::vector<UniqueFd> clients;
    for (std::uint16_t count = 0; count < 64; ++count) {
      const std::uint16_t to = count % 2 == 0 ? port : static_cast<std::uint16_t>(2000 + count);
      clients.push_back(world.a->outside_socket(v4 ? AF_INET : AF_INET6));
      REQUIRE(connect_to(clients.back().get(), {ip, to}) == 0);
      pollfd ready[] = {{listener(0), POLLIN, 0}, {listener(1), POLLIN, 0}};
      REQUIRE(::poll(ready, 2, patience_ms) == 1);
      const std::size_t thread = ready[0].revents != 0 ? 0 : 1;
      const auto accepted = accept_on(listener(thread));
      REQUIRE(accepted);
      ++accepted_by[thread];
      CHECK(name_of(accepted->fd.get()) == Endpoint{ip, to});
      CHECK(accepted->peer == name_of(clients.back().get()));
    }
    CHECK(accepted_by[0] > 8);
    CHECK(accepted_by[1] > 8);
  }
  CHECK(event(*capture, "steered") == 128);
  CHECK_FALSE(accept_on(server.get(), 0));
}

TEST_CASE("inbound: without listeners connections are reset, not let through") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.b->netns, 2);
  REQUIRE(listeners);
  listeners->clear();
  const UniqueFd server = application_listener(*world.b, AF_INET6, {Ip{}, port});
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const UniqueFd client = world.a->outside_socket(flavour.family);
    CHECK(connect_to(client.get(), {flavour.of(*world.b), port}) == ECONNREFUSED);
  }
  CHECK(event(*capture, "refused_no_daemon") == 3);
  CHECK_FALSE(accept_on(server.get(), 0));

  capture->detach_pod(world.b->netns.cookie);  // it left the mesh
  const UniqueFd client = world.a->outside_socket(AF_INET);
  CHECK(connect_to(client.get(), {world.b->addresses.v4, port}) == 0);
}

TEST_CASE("inbound: the reserved ports are refused from outside") {
  World world;
  const auto capture = world.meshed_capture();
  REQUIRE(capture->attach_pod(world.b->netns, 1));
  for (const std::uint16_t reserved : reserved_ports) {
    for (const Flavour &flavour : flavours) {
      const UniqueFd client = world.a->outside_socket(flavour.family);
      CHECK(connect_to(client.get(), {flavour.of(*world.b), reserved}) == ECONNREFUSED);
    }
  }
  CHECK(event(*capture, "refused_reserved_port") == 6);
}

TEST_CASE("inbound: UDP and the pod's own connections are not steered") {
  World world;
  const auto capture = world.meshed_capture();
  REQUIRE(capture->attach_pod(world.b->netns, 1));
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const Ip ip = flavour.of(*world.b);
    const UniqueFd datagrams = world.b->application_socket(flavour.family, SOCK_DGRAM);
    bind_to(datagrams.get(), {ip, port});
    const UniqueFd sender = world.a->outside_socket(flavour.family, SOCK_DGRAM);
    REQUIRE(connect_to(sender.get(), {ip, port}) == 0);
    REQUIRE(::send(sender.get(), "x", 1, 0) == 1);
    pollfd ready{datagrams.get(), POLLIN, 0};
    CHECK(::poll(&ready, 1, patience_ms) == 1);

    const bool v4 = ip.is_v4();
    for (const Ip &own : {ip, v4 ? Ip::loopback_v4() : Ip::loopback_v6()}) {
      const UniqueFd server = application_listener(*world.b, flavour.family, {own, port});
      const UniqueFd client = world.b->application_socket(flavour.family);
      REQUIRE(connect_to(client.get(), {own, port}) == 0);
      const auto accepted = accept_on(server.get());
      REQUIRE(accepted);
      CHECK(accepted->peer == name_of(client.get()));
    }
  }
  CHECK(event(*capture, "steered") == 0);
}

TEST_CASE("inbound: an application on a reserved port is named, and its pod refuses connections") {
  World world;
  const auto capture = world.meshed_capture();
  for (const bool shared : {false, true}) {
    const UniqueFd squatter = world.b->application_socket(AF_INET);
    const int on = 1;
    REQUIRE(::setsockopt(squatter.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    if (shared)
      REQUIRE(::setsockopt(squatter.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    bind_to(squatter.get(), {Ip::loopback_v4(), 15006});
    const auto attached = capture->attach_pod(world.b->netns, 2);
    REQUIRE_FALSE(attached);
    CHECK(attached.error().text.starts_with(
        "pod: listener 127.0.0.1:15006: bind: Address already in use: the port is culvert's"));
    const UniqueFd server = application_listener(*world.b, AF_INET, {world.b->addresses.v4, port});
    const UniqueFd client = world.a->outside_socket(AF_INET);
    CHECK(connect_to(client.get(), {world.b->addresses.v4, port}) == ECONNREFUSED);
  }
  CHECK(capture->attach_pod(world.b->netns, 2));  // it left
}
