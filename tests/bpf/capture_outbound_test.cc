// SPDX-License-Identifier: Apache-2.0
// What an application's connect(2) becomes, and what it sees of it.
#include <fcntl.h>
#include <netinet/tcp.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstring>
#include <thread>

#include "capture_world.h"

using namespace culvert;
using namespace culvert::test;

namespace {

constexpr std::uint16_t port = 8080;

// The daemon's side of a captured connection.
struct Captured {
  UniqueFd fd;
  Endpoint destination;
};
Captured take(const Capture &capture, PodListeners &listeners, const Pod &pod, Flavour flavour) {
  auto accepted = accept_on(flavour.listener(listeners).get());
  REQUIRE(accepted);
  const auto flow = capture.flows().take(pod.netns.cookie, accepted->peer);
  REQUIRE(flow);
  const auto again = capture.flows().take(pod.netns.cookie, accepted->peer);
  CHECK_FALSE(again);
  CHECK(again.error().code == ENOENT);
  return {std::move(accepted->fd), *flow};
}

}  // namespace

TEST_CASE("outbound: a meshed destination is captured and the application sees none of it") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const Endpoint wanted{flavour.of(*world.b), port};
    const UniqueFd client = world.a->application_socket(flavour.family);
    REQUIRE(connect_to(client.get(), wanted) == 0);
    const Captured captured = take(*capture, listeners->front(), *world.a, flavour);
    CHECK(captured.destination == wanted);
    CHECK(peer_of(client.get()) == wanted);
    CHECK(name_of(client.get()).ip == flavour.of(*world.a));
  }
  CHECK(event(*capture, "captured") == 3);
  CHECK(event(*capture, "unbound") == 0);
}

TEST_CASE("outbound: a Service is captured by address and port, its other ports are not") {
  World world;
  const auto capture = world.meshed_capture();
  const Endpoint service{*Ip::parse("10.96.0.1"), 80};
  REQUIRE(capture->set_destinations({{}, {service}}));
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  const UniqueFd client = world.a->application_socket(AF_INET);
  REQUIRE(connect_to(client.get(), service) == 0);
  CHECK(take(*capture, listeners->front(), *world.a, flavours[0]).destination == service);
  const UniqueFd other = world.a->application_socket(AF_INET);
  CHECK(connect_to(other.get(), {service.ip, 81}) == ENETUNREACH);  // passed: and no route
}

TEST_CASE("outbound: a non-blocking connect and MSG_FASTOPEN are captured") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const Endpoint wanted{flavour.of(*world.b), port};
    const UniqueFd client =
        world.a->application_socket(flavour.family, SOCK_STREAM | SOCK_NONBLOCK);
    CHECK(connect_to(client.get(), wanted) == EINPROGRESS);
    CHECK(take(*capture, listeners->front(), *world.a, flavour).destination == wanted);
  }
  for (const Flavour &flavour : {flavours[0], flavours[1]}) {
    INFO(flavour.name);
    const Endpoint wanted{flavour.of(*world.b), port};
    const UniqueFd client = world.a->application_socket(flavour.family);
    const SocketAddress to(wanted);
    REQUIRE(::sendto(client.get(), "hello", 5, MSG_FASTOPEN, to.get(), to.size()) == 5);
    const Captured captured = take(*capture, listeners->front(), *world.a, flavour);
    CHECK(captured.destination == wanted);
    char data[8];
    CHECK(::recv(captured.fd.get(), data, sizeof data, 0) == 5);
  }
}

TEST_CASE("outbound: a socket bound to a device, an address or a port is captured") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const Endpoint wanted{flavour.of(*world.b), port};
    const UniqueFd on_device = world.a->application_socket(flavour.family);
    REQUIRE(::setsockopt(on_device.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5) == 0);
    REQUIRE(connect_to(on_device.get(), wanted) == 0);
    CHECK(take(*capture, listeners->front(), *world.a, flavour).destination == wanted);
    CHECK(name_of(on_device.get()).ip == flavour.of(*world.a));

    const UniqueFd on_address = world.a->application_socket(flavour.family);
    const SocketAddress own({flavour.of(*world.a), 4242});
    const int reuse = 1;
    REQUIRE(::setsockopt(on_address.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) == 0);
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_port = htons(4242);
    std::memcpy(&mapped.sin6_addr, flavour.of(*world.a).bytes.data(), 16);
    const auto *address = flavour.mapped ? reinterpret_cast<const sockaddr *>(&mapped) : own.get();
    REQUIRE(::bind(on_address.get(), address, flavour.mapped ? sizeof mapped : own.size()) == 0);
    REQUIRE(connect_to(on_address.get(), wanted) == 0);
    CHECK(take(*capture, listeners->front(), *world.a, flavour).destination == wanted);
    CHECK(name_of(on_address.get()) == Endpoint{flavour.of(*world.a), 4242});

    // A port without an address: bpf_bind cannot change that any more; captured all the same.
    const UniqueFd on_port = world.a->application_socket(flavour.family);
    const std::uint64_t unbound = event(*capture, "unbound");
    const Endpoint any{flavour.family == AF_INET ? *Ip::parse("0.0.0.0") : Ip{}, 4343};
    const SocketAddress any_address(any);
    REQUIRE(::setsockopt(on_port.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) == 0);
    REQUIRE(::bind(on_port.get(), any_address.get(), any_address.size()) == 0);
    REQUIRE(connect_to(on_port.get(), wanted) == 0);
    CHECK(take(*capture, listeners->front(), *world.a, flavour).destination == wanted);
    CHECK(event(*capture, "unbound") == unbound + 1);
  }
}

TEST_CASE("outbound: a socket that connects again shows its new peer") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  const UniqueFd server = world.a->application_socket(AF_INET);
  bind_to(server.get(), {world.a->addresses.v4, 9000});
  const UniqueFd client = world.a->application_socket(AF_INET);
  const Endpoint meshed{world.b->addresses.v4, port};
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  for (int round = 0; round < 2; ++round) {
    REQUIRE(connect_to(client.get(), meshed) == 0);
    const Captured captured = take(*capture, listeners->front(), *world.a, flavours[0]);
    CHECK(captured.destination == meshed);
    CHECK(peer_of(client.get()) == meshed);
    REQUIRE(::connect(client.get(), &nowhere, sizeof nowhere) == 0);
    const Endpoint own{round == 0 ? Ip::loopback_v4() : world.a->addresses.v4, 9000};
    const UniqueFd loopback = world.a->application_socket(AF_INET);
    if (round == 0) bind_to(loopback.get(), own);
    REQUIRE(connect_to(client.get(), own) == 0);
    CHECK(peer_of(client.get()) == own);
    REQUIRE(::connect(client.get(), &nowhere, sizeof nowhere) == 0);
  }
}

TEST_CASE("outbound: UDP, the pod's own addresses and what is not meshed pass untouched") {
  World world;
  const auto capture = world.meshed_capture();
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const Endpoint meshed{flavour.of(*world.b), port};
    const UniqueFd datagram = world.a->application_socket(flavour.family, SOCK_DGRAM);
    REQUIRE(connect_to(datagram.get(), meshed) == 0);
    CHECK(peer_of(datagram.get()) == meshed);

    const Endpoint own{flavour.of(*world.a), 9000};
    const UniqueFd server = world.a->application_socket(flavour.family);
    const int reuse = 1;
    REQUIRE(::setsockopt(server.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) == 0);
    bind_to(server.get(), own);
    const UniqueFd client = world.a->application_socket(flavour.family);
    REQUIRE(connect_to(client.get(), own) == 0);
    CHECK(peer_of(client.get()) == own);
    const auto accepted = accept_on(server.get());
    REQUIRE(accepted);
    CHECK(accepted->peer == name_of(client.get()));
  }
  CHECK(event(*capture, "passed_self") == 3);
  CHECK(event(*capture, "captured") == 0);

  REQUIRE(capture->set_destinations({}));
  const UniqueFd server = world.b->application_socket(AF_INET);
  bind_to(server.get(), {world.b->addresses.v4, port});
  const UniqueFd client = world.a->application_socket(AF_INET);
  REQUIRE(connect_to(client.get(), {world.b->addresses.v4, port}) == 0);
  CHECK(accept_on(server.get()));
}

TEST_CASE("outbound: a process outside the cgroup is not captured") {
  World world;
  const auto capture = world.meshed_capture();
  const UniqueFd server = world.b->application_socket(AF_INET);
  bind_to(server.get(), {world.b->addresses.v4, port});
  const UniqueFd client = world.a->outside_socket(AF_INET);
  REQUIRE(connect_to(client.get(), {world.b->addresses.v4, port}) == 0);
  CHECK(accept_on(server.get()));
  CHECK(event(*capture, "captured") == 0);
}

TEST_CASE("outbound: an application that writes and closes at once is still found") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const Endpoint wanted{flavour.of(*world.b), port};
    UniqueFd client = world.a->application_socket(flavour.family);
    REQUIRE(connect_to(client.get(), wanted) == 0);
    REQUIRE(::send(client.get(), "log line", 8, 0) == 8);
    client.reset();
    const Captured captured = take(*capture, listeners->front(), *world.a, flavour);
    CHECK(captured.destination == wanted);
    char data[16];
    CHECK(::recv(captured.fd.get(), data, sizeof data, 0) == 8);
    CHECK(::recv(captured.fd.get(), data, sizeof data, 0) == 0);
  }
  // The daemon dies with such a connection in its backlog; the next one removes what it left.
  UniqueFd client = world.a->application_socket(AF_INET);
  REQUIRE(connect_to(client.get(), {world.b->addresses.v4, port}) == 0);
  client.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // for the FIN's acknowledgement
  listeners->clear();
  CHECK(entries(*capture, "flows") == 1);
  REQUIRE(capture->attach_pod(world.a->netns, 1));
  CHECK(entries(*capture, "flows") == 0);
}

TEST_CASE("outbound: what an application closed is answered for, and its port is free again") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  const auto state = [](const UniqueFd &socket) {
    tcp_info info{};
    socklen_t size = sizeof info;
    REQUIRE(::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
    return info.tcpi_state;
  };
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    UniqueFd client = world.a->application_socket(flavour.family);
    REQUIRE(connect_to(client.get(), {flavour.of(*world.b), port}) == 0);
    const Captured captured = take(*capture, listeners->front(), *world.a, flavour);
    client.reset();
    char data[8];
    CHECK(::recv(captured.fd.get(), data, sizeof data, 0) == 0);
    REQUIRE(::shutdown(captured.fd.get(), SHUT_WR) ==
            0);  // nobody but TIME_WAIT is there to say yes
    CHECK(eventually([&] { return state(captured.fd) == TCP_CLOSE; }));

    UniqueFd writer = world.a->application_socket(flavour.family);
    REQUIRE(connect_to(writer.get(), {flavour.of(*world.b), port}) == 0);
    const Captured written = take(*capture, listeners->front(), *world.a, flavour);
    writer.reset();
    CHECK(::recv(written.fd.get(), data, sizeof data, 0) == 0);
    REQUIRE(::send(written.fd.get(), "late", 4, MSG_NOSIGNAL) == 4);  // is reset
    CHECK(eventually([&] { return state(written.fd) == TCP_CLOSE; }));
  }
}

TEST_CASE("outbound: 2,000 connections leave nothing behind, taken or not") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  for (int count = 0; count < 2000; ++count) {
    const Flavour &flavour = flavours[count % 3];
    const UniqueFd client = world.a->application_socket(flavour.family);
    REQUIRE(connect_to(client.get(), {flavour.of(*world.b), port}) == 0);
    const auto accepted = accept_on(flavour.listener(listeners->front()).get());
    REQUIRE(accepted);
    if (count % 2 == 0) REQUIRE(capture->flows().take(world.a->netns.cookie, accepted->peer));
  }
  CHECK(event(*capture, "captured") == 2000);
  CHECK(eventually([&] { return entries(*capture, "flows") == 0; }));
}
