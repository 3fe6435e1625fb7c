// SPDX-License-Identifier: Apache-2.0
// What outlives a daemon, and how the next one takes it over.
#include <sys/stat.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "capture_world.h"
#include "scale.h"

using namespace culvert;
using namespace culvert::test;

namespace {
constexpr std::uint16_t port = 8080;
}  // namespace

TEST_CASE("restart: 100 take-overs under load, no connection passes in clear, none is lost") {
  World world;
  const UniqueFd in_clear = world.b->application_socket(AF_INET6);
  bind_to(in_clear.get(), {Ip{}, port});
  const auto first = world.meshed_capture();
  auto listeners = first->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  const FlowTable flows = first->flows();

  const int each_client = static_cast<int>(scaled(1500, 60));
  const int takeovers_least = static_cast<int>(scaled(100, 3));
  const int all = 2 * each_client;
  // Sockets are made beforehand: the pod's process serves one at a time.
  std::vector<UniqueFd> clients[2];
  for (int index = 0; index < 2; ++index) {
    for (int count = 0; count < each_client; ++count) {
      clients[index].push_back(world.a->application_socket(flavours[index].family));
    }
  }

  std::atomic<bool> stop = false;
  std::atomic<int> connected = 0, failed = 0, wrong = 0, taken = 0;
  std::vector<std::thread> threads;
  // The daemon that accepts: the first one's listeners live on through all take-overs.
  for (const Flavour &flavour : {flavours[0], flavours[1]}) {
    threads.emplace_back([&, flavour] {
      const int listener = flavour.listener(listeners->front()).get();
      const Endpoint wanted{flavour.of(*world.b), port};
      // Held to the end: closing one resets it, which a slow client's connect(2) would report.
      std::vector<UniqueFd> held;
      while (!stop) {
        auto accepted = accept_on(listener, 10);
        if (!accepted) continue;
        const auto flow = flows.take(world.a->netns.cookie, accepted->peer);
        if (!flow || *flow != wanted) ++wrong;
        held.push_back(std::move(accepted->fd));
        ++taken;
      }
    });
  }
  std::atomic<int> running = 2;
  for (int index = 0; index < 2; ++index) {
    threads.emplace_back([&, index] {
      for (UniqueFd &client : clients[index]) {
        const SocketAddress to({flavours[index].of(*world.b), port});
        ++(::connect(client.get(), to.get(), to.size()) == 0 ? connected : failed);
        client.reset();
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
      --running;
    });
  }
  int takeovers = 0;
  for (; takeovers < takeovers_least || running > 0; ++takeovers)
    world.capture();
  CHECK(eventually([&] { return taken == all; }));
  stop = true;
  for (std::thread &thread : threads)
    thread.join();
  CHECK(takeovers >= takeovers_least);
  CHECK(connected == all);
  CHECK(failed == 0);
  CHECK(wrong == 0);
  CHECK_FALSE(accept_on(in_clear.get(), 0));
  CHECK(event(*first, "captured") == static_cast<std::uint64_t>(all));
}

TEST_CASE("restart: the maps are taken over and stale destinations removed by the next set") {
  World world;
  world.meshed_capture().reset();
  const auto capture = world.capture();
  CHECK(entries(*capture, "pods") == 2);
  CHECK(entries(*capture, "destinations") == 4);
  REQUIRE(capture->set_destinations({{world.b->addresses.v4}, {}}));
  CHECK(entries(*capture, "destinations") == 1);
}

TEST_CASE("restart: pods that were not claimed again are listed, and can be dropped") {
  World world;
  {
    const auto before = world.meshed_capture();
    REQUIRE(before->attach_pod(world.b->netns, 1));
  }
  const auto capture = world.capture();
  CHECK(capture->orphans().size() == 2);
  REQUIRE(capture->set_pod(world.a->netns, world.a->addresses, true, 0));
  CHECK(capture->orphans() == std::vector{world.b->netns.cookie});
  capture->detach_pod(world.b->netns.cookie);
  capture->forget_pod(world.b->netns.cookie);
  CHECK(capture->orphans().empty());
  const UniqueFd server = world.b->application_socket(AF_INET);
  bind_to(server.get(), {world.b->addresses.v4, port});
  const UniqueFd client = world.a->outside_socket(AF_INET);
  CHECK(connect_to(client.get(), {world.b->addresses.v4, port}) == 0);
}

TEST_CASE("restart: a steered pod refuses until it is attached again, then is served") {
  World world;
  {
    const auto before = world.meshed_capture();
    REQUIRE(before->attach_pod(world.b->netns, 1));
  }
  const UniqueFd refused = world.a->outside_socket(AF_INET);
  CHECK(connect_to(refused.get(), {world.b->addresses.v4, port}) == ECONNREFUSED);
  const auto capture = world.capture();
  auto listeners = capture->attach_pod(world.b->netns, 1);
  REQUIRE(listeners);
  const UniqueFd client = world.a->outside_socket(AF_INET);
  REQUIRE(connect_to(client.get(), {world.b->addresses.v4, port}) == 0);
  CHECK(accept_on(listeners->front().inbound_v4.get()));
}

TEST_CASE("restart: the pins of a deleted namespace are cleaned") {
  World world;
  {
    const auto before = world.meshed_capture();
    REQUIRE(before->attach_pod(world.b->netns, 1));
  }
  const std::string pin =
      world.options.bpffs + "/links/inbound_" + std::to_string(world.b->netns.cookie);
  REQUIRE(::access(pin.c_str(), F_OK) == 0);
  world.b.reset();
  // The kernel takes a namespace down behind our back.
  REQUIRE(eventually([&] {
    const auto capture = world.capture();
    return ::access(pin.c_str(), F_OK) != 0;
  }));
  CHECK(entries(*world.capture(), "pods") == 1);
}

TEST_CASE("restart: a cgroup that was removed and made again is attached again") {
  World world;
  world.meshed_capture().reset();
  world.a.reset();
  world.b.reset();
  REQUIRE(eventually([&] {
    ::rmdir((world.options.cgroup + "/pod").c_str());
    return ::rmdir(world.options.cgroup.c_str()) == 0;
  }));
  REQUIRE(::mkdir(world.options.cgroup.c_str(), 0755) == 0);
  REQUIRE(::mkdir((world.options.cgroup + "/pod").c_str(), 0755) == 0);
  const auto capture = world.capture();
  const Pod pod(world.options.cgroup + "/pod", "10.9.0.1", "fd09::1");
  pod.shell("ip link set lo up");
  REQUIRE(capture->set_pod(pod.netns, pod.addresses, true, 0));
  REQUIRE(capture->set_destinations({{*Ip::parse("10.9.0.2")}, {}}));
  const UniqueFd client = pod.application_socket(AF_INET);
  CHECK(connect_to(client.get(), {*Ip::parse("10.9.0.2"), port}) == ECONNREFUSED);
  CHECK(event(*capture, "captured") == 1);
}

TEST_CASE("restart: pinned maps of another shape are named, and nothing is changed") {
  World world;
  const auto before = world.meshed_capture();
  Capture::Options other = world.options;
  other.flows_max = 77;
  const auto created = Capture::create(other);
  REQUIRE_FALSE(created);
  INFO(created.error().text);
  CHECK(created.error().text.starts_with(world.options.bpffs + "/maps/flows: another shape"));
  CHECK(created.error().text.find("wanted 56 + 32 bytes, 77 entries") != std::string::npos);
  const UniqueFd client = world.a->application_socket(AF_INET);
  CHECK(connect_to(client.get(), {world.b->addresses.v4, port}) == ECONNREFUSED);
}

TEST_CASE("pins: bpftool shows the maps with names") {
  World world;
  const auto capture = world.meshed_capture();
  const auto dump = [&](const char *map) {
    return output_of("PATH=$PATH:/usr/sbin bpftool map dump pinned " + world.options.bpffs +
                     "/maps/" + map);
  };
  const auto shows = [&](const char *map, const char *name) {
    INFO(map << " " << name);
    CHECK(dump(map).find(name) != std::string::npos);
  };
  shows("destinations", "DESTINATION_WORKLOAD");
  shows("pods", "POD_MESHED");
  shows("settings", "DESTINATIONS_COMPLETE");
  shows("events", "refused_unknown_pod");
}
