// SPDX-License-Identifier: Apache-2.0
// Which connections from outside the kernel hands to the daemon, and which it lets through to the
// application: what Capture::steer says.
#include <poll.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "capture_world.h"

using namespace culvert;
using namespace culvert::test;

namespace {

constexpr std::uint16_t port = 8080, other_port = 8081;
constexpr const char *stranger_v4 = "10.9.0.9", *stranger_v6 = "fd09::9";

enum class Reached { daemon, application, nobody };

// Pod b with applications on both ports, its connections steered. Pod a is a meshed workload, and
// has addresses besides that are not.
class Steered {
 public:
  Steered() : capture(world.meshed_capture()) {
    world.a->shell(std::string("ip addr add ") + stranger_v4 + "/24 dev eth0; ip addr add " +
                   stranger_v6 + "/64 dev eth0 nodad");
    REQUIRE(eventually([&] {
      const UniqueFd probe = world.a->outside_socket(AF_INET6);
      return connect_to(probe.get(), {*Ip::parse(stranger_v6), 9}) == ECONNREFUSED;
    }));
    for (const std::uint16_t each : {port, other_port}) {
      applications_.push_back(world.b->application_socket(AF_INET6));
      bind_to(applications_.back().get(), {Ip{}, each});
    }
    attach();
  }

  void attach() {
    auto attached = capture->attach_pod(world.b->netns, 1);
    if (!attached) FAIL(attached.error().text);
    listeners = std::move(attached->front());
  }

  void steer(const InboundSteering &steering) {
    const auto steered = capture->steer(world.b->netns.cookie, steering);
    if (!steered) FAIL(steered.error().text);
  }

  Reached reached_by(const Ip &from, std::uint16_t to) {
    INFO(from.text() << " to port " << to);
    const bool v4 = from.is_v4();
    const UniqueFd client = world.a->outside_socket(v4 ? AF_INET : AF_INET6);
    const SocketAddress local({from, 0});
    REQUIRE(::bind(client.get(), local.get(), local.size()) == 0);
    const Ip &pod = v4 ? world.b->addresses.v4 : world.b->addresses.v6;
    if (connect_to(client.get(), {pod, to}) != 0) return Reached::nobody;
    const UniqueFd &daemon = v4 ? listeners.inbound_v4 : listeners.inbound_v6;
    pollfd ready[] = {{daemon.empty() ? -1 : daemon.get(), POLLIN, 0},
                      {applications_[0].get(), POLLIN, 0},
                      {applications_[1].get(), POLLIN, 0}};
    REQUIRE(::poll(ready, 3, 5000) == 1);
    for (const pollfd &one : ready) {
      if (one.revents != 0) REQUIRE(accept_on(one.fd));
    }
    return ready[0].revents != 0 ? Reached::daemon : Reached::application;
  }

  // Both families, which must agree.
  Reached meshed(std::uint16_t to) {
    return agreed(to, world.a->addresses.v4, world.a->addresses.v6);
  }
  Reached stranger(std::uint16_t to) {
    return agreed(to, *Ip::parse(stranger_v4), *Ip::parse(stranger_v6));
  }

  std::uint64_t count(const char *name) const { return event(*capture, name); }
  std::vector<Ip> stranger_ips() const {
    return {*Ip::parse(stranger_v4), *Ip::parse(stranger_v6)};
  }

  World world;
  std::unique_ptr<Capture> capture;
  PodListeners listeners;

 private:
  Reached agreed(std::uint16_t to, const Ip &v4, const Ip &v6) {
    const Reached by_v4 = reached_by(v4, to);
    CHECK(reached_by(v6, to) == by_v4);
    return by_v4;
  }

  std::vector<UniqueFd> applications_;
};

InboundSteering everywhere(Steer steer) { return {steer, {}, {}, {}}; }

}  // namespace

TEST_CASE("steering: nothing said, everything is steered") {
  Steered pod;
  CHECK(pod.meshed(port) == Reached::daemon);
  CHECK(pod.stranger(port) == Reached::daemon);
  pod.steer({});
  CHECK(pod.stranger(port) == Reached::daemon);
  CHECK(pod.count("steered") == 6);
  CHECK(pod.count("passed_plaintext") == 0);
}

TEST_CASE("steering: a pod that is not attached is named") {
  World world;
  const auto capture = world.meshed_capture();
  const auto steered = capture->steer(world.b->netns.cookie, everywhere(Steer::none));
  REQUIRE_FALSE(steered);
  CHECK(steered.error().text.find("attach it first") != std::string::npos);
}

TEST_CASE("steering: none, everything goes straight to the application, counted") {
  Steered pod;
  pod.steer(everywhere(Steer::none));
  CHECK(pod.meshed(port) == Reached::application);
  CHECK(pod.stranger(port) == Reached::application);
  CHECK(pod.count("passed_plaintext") == 4);
  CHECK(pod.stranger(9) == Reached::nobody);  // as without culvert
  CHECK(pod.stranger(15006) == Reached::nobody);
  CHECK(pod.count("refused_reserved_port") == 2);
  CHECK(pod.count("steered") == 0);
}

TEST_CASE("steering: meshed, only what comes from a meshed workload is steered") {
  Steered pod;
  pod.steer(everywhere(Steer::meshed));
  CHECK(pod.meshed(port) == Reached::daemon);
  CHECK(pod.stranger(port) == Reached::application);
  CHECK(pod.count("passed_plaintext") == 2);

  // Its own port is in clear, as a client it is meshed all the same.
  Capture::Destinations in_clear;
  in_clear.in_clear = {{pod.world.a->addresses.v4, 0}, {pod.world.a->addresses.v6, 0}};
  REQUIRE(pod.capture->set_destinations(in_clear));
  CHECK(pod.meshed(port) == Reached::daemon);
  CHECK(pod.stranger(port) == Reached::application);

  // A Service is not a client.
  Capture::Destinations services;
  services.services = {{pod.world.a->addresses.v4, port}, {pod.world.a->addresses.v6, port}};
  REQUIRE(pod.capture->set_destinations(services));
  CHECK(pod.meshed(port) == Reached::application);
}

TEST_CASE("steering: meshed, while destinations is incomplete anybody may be meshed") {
  World world;
  world.options.destinations_max = 4;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.b->netns, 1);
  REQUIRE(listeners);
  REQUIRE(capture->steer(world.b->netns.cookie, everywhere(Steer::meshed)));
  Capture::Destinations many;
  for (int host = 1; host < 9; ++host)
    many.workloads.push_back(*Ip::parse("10.50.0." + std::to_string(host)));
  REQUIRE_FALSE(capture->set_destinations(many));
  const UniqueFd client = world.a->outside_socket(AF_INET);
  REQUIRE(connect_to(client.get(), {world.b->addresses.v4, port}) == 0);
  CHECK(accept_on(listeners->front().inbound_v4.get()));
}

TEST_CASE("steering: what a port says comes before the rest") {
  Steered pod;
  pod.steer({Steer::none, {{port, Steer::all}}, {}, {}});
  CHECK(pod.stranger(port) == Reached::daemon);
  CHECK(pod.stranger(other_port) == Reached::application);
  pod.steer({Steer::all, {{port, Steer::none}, {other_port, Steer::meshed}}, {}, {}});
  CHECK(pod.meshed(port) == Reached::application);
  CHECK(pod.meshed(other_port) == Reached::daemon);
  CHECK(pod.stranger(other_port) == Reached::application);
  CHECK(pod.stranger(9) == Reached::daemon);
}

TEST_CASE("steering: a probe's port passes what the node sends, and nothing else") {
  Steered pod;
  pod.steer({Steer::all, {}, {port}, pod.stranger_ips()});
  CHECK(pod.stranger(port) == Reached::application);
  CHECK(pod.count("passed_probe") == 2);
  CHECK(pod.stranger(other_port) == Reached::daemon);
  CHECK(pod.meshed(port) == Reached::daemon);
  pod.steer({Steer::all, {}, {port}, {}});
  CHECK(pod.stranger(port) == Reached::daemon);

  // A port with a mode of its own keeps that for everybody else.
  pod.steer({Steer::all, {{port, Steer::meshed}}, {port}, {*Ip::parse(stranger_v4)}});
  CHECK(pod.reached_by(*Ip::parse(stranger_v4), port) == Reached::application);
  CHECK(pod.count("passed_probe") == 3);
  CHECK(pod.reached_by(*Ip::parse(stranger_v6), port) == Reached::application);
  CHECK(pod.count("passed_plaintext") == 1);
  CHECK(pod.meshed(port) == Reached::daemon);
}

TEST_CASE("steering: what becomes stricter holds for the next connection") {
  Steered pod;
  for (int round = 0; round < 20; ++round) {
    pod.steer({Steer::none, {{port, Steer::meshed}}, {other_port}, pod.stranger_ips()});
    CHECK(pod.stranger(port) == Reached::application);
    CHECK(pod.stranger(other_port) == Reached::application);
    pod.steer(
        round % 2 == 0
            ? InboundSteering{}
            : InboundSteering{Steer::none, {{port, Steer::all}, {other_port, Steer::all}}, {}, {}});
    CHECK(pod.stranger(port) == Reached::daemon);
    CHECK(pod.stranger(other_port) == Reached::daemon);
  }
}

TEST_CASE("steering: a daemon that takes over steers everything until it is told") {
  Steered pod;
  pod.steer(everywhere(Steer::none));
  pod.listeners = {};
  CHECK(pod.stranger(port) == Reached::application);  // nobody has to take it
  pod.capture.reset();
  CHECK(pod.stranger(port) == Reached::application);
  pod.capture = pod.world.meshed_capture();
  pod.attach();
  CHECK(pod.stranger(port) == Reached::daemon);
  pod.steer(everywhere(Steer::none));
  CHECK(pod.stranger(port) == Reached::application);
}

TEST_CASE("steering: too many ports or addresses are named, and everything is steered") {
  Steered pod;
  InboundSteering many = everywhere(Steer::none);
  for (std::uint16_t each = 1; each <= 1025; ++each)
    many.ports.push_back({static_cast<std::uint16_t>(20000 + each), Steer::all});
  const auto check = [&](const std::string &expected) {
    pod.steer(everywhere(Steer::none));
    CHECK(pod.stranger(port) == Reached::application);
    for (int time = 0; time < 2; ++time) {
      const auto steered = pod.capture->steer(pod.world.b->netns.cookie, many);
      REQUIRE_FALSE(steered);
      CHECK(steered.error().text.starts_with(expected));
      CHECK(pod.stranger(port) == Reached::daemon);
    }
  };
  check("pod: 1025 inbound ports with a mode or probe, room for 1024: ");
  many.ports.pop_back();
  pod.steer(many);
  CHECK(pod.stranger(port) == Reached::application);
  CHECK(pod.stranger(21024) == Reached::daemon);
  for (int host = 1; host <= 65; ++host)
    many.node_ips.push_back(*Ip::parse("10.60.0." + std::to_string(host)));
  check("pod: 65 addresses of this node, room for 64: ");
}

TEST_CASE("steering: the same again is no system call, and the pins go with the pod") {
  Steered pod;
  const InboundSteering steering{
      Steer::meshed, {{port, Steer::all}}, {other_port}, pod.stranger_ips()};
  pod.steer(steering);
  const auto dump = [&](const std::string &map) {
    return output_of("PATH=$PATH:/usr/sbin bpftool map dump pinned " + pod.world.options.bpffs +
                     "/maps/" + map + "_" + std::to_string(pod.world.b->netns.cookie) + " 2>&1");
  };
  CHECK(dump("inbound_ports").find("PROBE_PORT") != std::string::npos);
  CHECK(dump("inbound_nodes").find("[0,0,0,0,0,0,0,0,0,0,255,255,10,9,0,9") != std::string::npos);
  const std::string before = dump("inbound_steering");
  CHECK(before.find("STEER_MESHED") != std::string::npos);
  pod.steer(steering);
  CHECK(dump("inbound_steering") == before);  // its version counts the changes
  pod.capture->detach_pod(pod.world.b->netns.cookie);
  for (const char *map : {"inbound_steering", "inbound_ports", "inbound_nodes"})
    CHECK(dump(map).find("No such file") != std::string::npos);
}

TEST_CASE(
    "steering: thousands of changes under load, no connection passes that neither state passes") {
  Steered pod;
  std::atomic<bool> stop = false;
  std::atomic<int> taken = 0, passed = 0;
  const UniqueFd strict = pod.world.b->application_socket(AF_INET);
  bind_to(strict.get(), {pod.world.b->addresses.v4, 7070});
  std::jthread daemon([&] {
    while (!stop)
      if (accept_on(pod.listeners.inbound_v4.get(), 10)) ++taken;
  });
  std::jthread application([&] {
    while (!stop)
      if (accept_on(strict.get(), 10)) ++passed;
  });
  std::jthread client([&] {
    const SocketAddress to({pod.world.b->addresses.v4, 7070});
    while (!stop) {
      const UniqueFd socket = pod.world.a->outside_socket(AF_INET);
      (void)::connect(socket.get(), to.get(), to.size());
    }
  });
  // 7070 is steered by both, once by itself and once with the rest.
  for (int round = 0; round < 1000 || (taken < 200 && passed == 0); ++round) {
    pod.steer({Steer::none, {{7070, Steer::all}, {port, Steer::none}}, {}, {}});
    pod.steer({Steer::all, {{port, Steer::none}}, {}, {}});
  }
  stop = true;
  client.join();
  daemon.join();
  application.join();
  CHECK(passed == 0);
  CHECK(pod.count("passed_plaintext") == 0);
}
