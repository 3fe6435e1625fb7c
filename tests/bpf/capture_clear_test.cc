// SPDX-License-Identifier: Apache-2.0
// Meshed destinations that desired state has reached in plaintext, and their ports that it has not.
#include <poll.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "capture_world.h"

using namespace culvert;
using namespace culvert::test;

namespace {

constexpr std::uint16_t port = 8080, protected_port = 8443;

enum class Reached { daemon, application, nobody };

// Pod a connects to applications of pod b.
class Connecting {
 public:
  Connecting() : capture(world.meshed_capture()) {
    auto attached = capture->attach_pod(world.a->netns, 1);
    REQUIRE(attached);
    listeners = std::move(attached->front());
    for (const std::uint16_t each : {port, protected_port}) {
      applications.push_back(world.b->application_socket(AF_INET6));
      bind_to(applications.back().get(), {Ip{}, each});
    }
  }

  std::vector<Endpoint> b(std::uint16_t at) const {
    return {{world.b->addresses.v4, at}, {world.b->addresses.v6, at}};
  }
  std::vector<Ip> workloads() const { return {world.b->addresses.v4, world.b->addresses.v6}; }

  void set(const std::vector<Endpoint> &in_clear, const std::vector<Endpoint> &protected_ports) {
    const auto done = capture->set_destinations({workloads(), {}, in_clear, protected_ports});
    if (!done) FAIL(done.error().text);
  }

  // By every flavour, which must agree.
  Reached reached(std::uint16_t to) {
    const Reached first = reached_by(flavours[0], to);
    for (const Flavour &flavour : {flavours[1], flavours[2]})
      CHECK(reached_by(flavour, to) == first);
    return first;
  }

  World world;
  std::unique_ptr<Capture> capture;
  PodListeners listeners;
  std::vector<UniqueFd> applications;

 private:
  Reached reached_by(const Flavour &flavour, std::uint16_t to) {
    INFO(flavour.name << " to port " << to);
    const UniqueFd client = world.a->application_socket(flavour.family);
    if (connect_to(client.get(), {flavour.of(*world.b), to}) != 0) return Reached::nobody;
    pollfd ready[] = {{flavour.listener(listeners).get(), POLLIN, 0},
                      {applications[to == port ? 0 : 1].get(), POLLIN, 0}};
    REQUIRE(::poll(ready, 2, 5000) == 1);
    const bool captured = ready[0].revents != 0;
    REQUIRE(accept_on(ready[captured ? 0 : 1].fd));
    return captured ? Reached::daemon : Reached::application;
  }
};

}  // namespace

TEST_CASE("clear: a destination in clear is passed untouched, its protected port is captured") {
  Connecting pods;
  pods.set(pods.b(0), pods.b(protected_port));
  CHECK(pods.reached(port) == Reached::application);
  CHECK(event(*pods.capture, "passed_clear") == 3);
  CHECK(pods.reached(protected_port) == Reached::daemon);
  CHECK(event(*pods.capture, "captured") == 3);
  CHECK(pods.reached(15006) == Reached::nobody);
  CHECK(event(*pods.capture, "refused_reserved_port") == 3);

  const UniqueFd client = pods.world.a->application_socket(AF_INET);
  const Endpoint server{pods.world.b->addresses.v4, port};
  REQUIRE(connect_to(client.get(), server) == 0);
  const auto accepted = accept_on(pods.applications[0].get());
  REQUIRE(accepted);
  CHECK(accepted->peer == name_of(client.get()));
  CHECK(peer_of(client.get()) == server);
}

TEST_CASE("clear: one port in clear, the rest of the workload is captured") {
  Connecting pods;
  pods.set(pods.b(port), {});
  CHECK(pods.reached(port) == Reached::application);
  CHECK(pods.reached(protected_port) == Reached::daemon);
}

TEST_CASE("clear: an unknown pod and a plain pod reach what is in clear") {
  Connecting pods;
  pods.set(pods.b(0), pods.b(protected_port));
  pods.capture->forget_pod(pods.world.a->netns.cookie);
  CHECK(pods.reached(port) == Reached::application);
  CHECK(event(*pods.capture, "passed_clear") == 3);
  CHECK(pods.reached(protected_port) == Reached::nobody);
  CHECK(event(*pods.capture, "refused_unknown_pod") == 3);
  REQUIRE(pods.capture->set_pod(pods.world.a->netns, pods.world.a->addresses, false, 0));
  CHECK(pods.reached(port) == Reached::application);
  CHECK(pods.reached(protected_port) == Reached::application);
}

TEST_CASE("clear: while destinations is incomplete, what is in clear is refused") {
  World world;
  world.options.destinations_max = 4;
  const auto capture = world.meshed_capture();
  const Endpoint in_clear{world.b->addresses.v4, 0};
  REQUIRE(capture->set_destinations({{}, {}, {in_clear}, {}}));
  Capture::Destinations many;
  many.in_clear = {in_clear};
  for (std::uint16_t each = 1; each < 9; ++each)
    many.protected_ports.push_back({world.b->addresses.v4, each});
  REQUIRE_FALSE(capture->set_destinations(many));
  const UniqueFd client = world.a->application_socket(AF_INET);
  CHECK(connect_to(client.get(), {world.b->addresses.v4, 8}) == ECONNREFUSED);
  CHECK(event(*capture, "refused_incomplete") == 1);
}

TEST_CASE("clear: what changes its kind does so at once, also after a restart") {
  Connecting pods;
  for (int round = 0; round < 3; ++round) {
    pods.set(pods.b(0), {});
    CHECK(pods.reached(port) == Reached::application);
    pods.set({}, {});
    CHECK(pods.reached(port) == Reached::daemon);
    CHECK(entries(*pods.capture, "destinations") == 2);
  }
  pods.set(pods.b(0), {});
  pods.capture = pods.world.capture();
  CHECK(entries(*pods.capture, "destinations") == 2);
  pods.set({}, {});
  CHECK(pods.reached(port) == Reached::daemon);
}

TEST_CASE("clear: a full map takes another kind, and another destination in one's place") {
  World world;
  world.options.destinations_max = 1;
  const auto capture = world.capture();
  const Ip ip = *Ip::parse("10.9.0.2");
  REQUIRE(capture->set_destinations({{ip}, {}}));
  REQUIRE(capture->set_destinations({{ip}, {}, {{ip, 0}}, {}}));
  REQUIRE(capture->set_destinations({{ip}, {}}));
  REQUIRE(capture->set_destinations({{*Ip::parse("10.9.0.3")}, {}}));
}

TEST_CASE(
    "clear: thousands of changes of kind under load, a protected port is never reached in clear") {
  Connecting pods;
  std::atomic<bool> stop = false;
  std::atomic<int> captured = 0, passed = 0;
  std::jthread daemon([&] {
    while (!stop)
      if (accept_on(pods.listeners.outbound_v4.get(), 10)) ++captured;
  });
  std::jthread application([&] {
    while (!stop)
      if (accept_on(pods.applications[1].get(), 10)) ++passed;
  });
  std::jthread client([&] {
    const SocketAddress to({pods.world.b->addresses.v4, protected_port});
    while (!stop) {
      const UniqueFd socket = pods.world.a->application_socket(AF_INET);
      (void)::connect(socket.get(), to.get(), to.size());
    }
  });
  for (int round = 0; round < 1000 || (captured < 500 && passed == 0); ++round) {
    pods.set(pods.b(0), pods.b(protected_port));
    pods.set({}, {});
  }
  stop = true;
  client.join();
  daemon.join();
  application.join();
  CHECK(passed == 0);
  CHECK(event(*pods.capture, "passed_clear") == 0);
}
