// SPDX-License-Identifier: Apache-2.0
// The kernel's last word: what the daemon's own connections to applications become.
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <random>

#include "policy_world.h"

using namespace culvert;
using namespace culvert::test;

namespace {

constexpr std::uint16_t port = Application::first_port;
constexpr std::uint32_t any = VERDICT_ANY;

}  // namespace

TEST_CASE("policy: without a policy set nothing is reached, by any address") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  std::uint64_t refused = 0;
  const std::uint32_t never_added = capture->policies().new_set();
  for (const std::uint32_t set : {0U, never_added}) {
    publish(*capture, *world.b, set);
    for (const Way &way : ways_to(*world.b)) {
      INFO(way.name << ", set " << set);
      CHECK(reach(*capture, *world.b, way.family, {way.ip, port}, {}) == EPERM);
      CHECK(event(*capture, "refused_no_policy") == ++refused);
    }
  }
  CHECK(event(*capture, "permitted") == 0);
}

TEST_CASE("policy: a socket on which nobody was announced reaches no application") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  std::uint64_t refused = 0;
  for (const Way &way : ways_to(*world.b)) {
    INFO(way.name);
    const UniqueFd socket = daemon_socket(*world.b, way.family);
    CHECK(connect_to(socket.get(), {way.ip, port}) == EPERM);
    CHECK(event(*capture, "refused_unannounced") == ++refused);
    CHECK(reach(*capture, *world.b, way.family, {way.ip, port}, {}) == 0);
    CHECK(event(*capture, "permitted") == refused);
  }
}

TEST_CASE("policy: nobody in particular reaches no pod that is strict everywhere") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  const std::uint32_t set = add(*capture, SetBuilder(VERDICT_ALLOW));
  const Endpoint to{world.b->addresses.v4, port};
  publish(*capture, *world.b, set, Plaintext::refused);
  CHECK(reach(*capture, *world.b, AF_INET, to, {.identity = IDENTITY_NONE}) == EPERM);
  CHECK(event(*capture, "refused_plaintext") == 1);
  CHECK(reach(*capture, *world.b, AF_INET, to, {.identity = 7}) == 0);
  publish(*capture, *world.b, set, Plaintext::taken);
  CHECK(reach(*capture, *world.b, AF_INET, to, {.identity = IDENTITY_NONE}) == 0);
  CHECK(event(*capture, "refused_plaintext") == 1);
}

TEST_CASE("policy: an application of a pod that was forgotten is not reached") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  capture->forget_pod(world.b->netns.cookie);
  CHECK(reach(*capture, *world.b, AF_INET, {world.b->addresses.v4, port}, {}) == EPERM);
  CHECK(event(*capture, "refused_no_policy") == 1);
}

TEST_CASE("policy: tunnels, the pod's own inbound listener, UDP and the node's business pass") {
  World world;
  const auto capture = world.meshed_capture();
  const std::uint32_t closed = add_simple_set(*capture, VERDICT_DENY);
  publish(*capture, *world.a, closed);
  publish(*capture, *world.b, closed);
  auto listeners = capture->attach_pod(world.b->netns, 1);
  REQUIRE(listeners);
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const UniqueFd tunnel = daemon_socket(*world.a, flavour.family);
    CHECK(connect_to(tunnel.get(), {flavour.of(*world.b), port}) == 0);
    const Ip loopback = flavour.of(*world.b).is_v4() ? Ip::loopback_v4() : Ip::loopback_v6();
    CHECK(reach(*capture, *world.b, flavour.family, {loopback, 15006}, {0, "10.9.0.2"}) == 0);
    CHECK(reach(*capture, *world.b, flavour.family, {loopback, 15001}, {}) == EPERM);
  }
  CHECK(reach(*capture, *world.b, AF_INET, {*Ip::parse("127.0.0.2"), 15006}, {}) == EPERM);
  UniqueFd datagrams(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  CHECK(connect_to(datagrams.get(), {Ip::loopback_v4(), port}) == 0);
  // No pod's namespace: the test's own.
  const UniqueFd nowhere(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(connect_to(nowhere.get(), {Ip::loopback_v4(), 1}) == ECONNREFUSED);
}

// sk_lookup also brings tunnels to addresses of the namespace that are not the pod's.
TEST_CASE("policy: an announced connection is judged, whatever address it is to") {
  World world;
  const auto capture = world.meshed_capture();
  world.b->shell("ip addr add 10.9.0.77/24 dev eth0");
  const Application application(*world.b);
  const Endpoint extra{*Ip::parse("10.9.0.77"), port};
  CHECK(reach(*capture, *world.b, AF_INET, extra, {}) == 0);
  publish(*capture, *world.b, add_simple_set(*capture, VERDICT_DENY));
  CHECK(reach(*capture, *world.b, AF_INET, extra, {}) == EPERM);
  CHECK(event(*capture, "refused_policy") == 1);
}

TEST_CASE("policy: a set of one pod says nothing about another") {
  World world;
  const auto capture = world.meshed_capture();
  const Application in_a(*world.a), in_b(*world.b);
  const auto welcome = [](std::uint32_t identity) {
    return SetBuilder(VERDICT_DENY).identity(identity, 1).cell(1, any, any, VERDICT_ALLOW);
  };
  publish(*capture, *world.a, add(*capture, welcome(5)));
  publish(*capture, *world.b, add(*capture, welcome(6)));
  const Endpoint a{world.a->addresses.v4, port}, b{world.b->addresses.v4, port};
  CHECK(reach(*capture, *world.a, AF_INET, a, {.identity = 5}) == 0);
  CHECK(reach(*capture, *world.a, AF_INET, a, {.identity = 6}) == EPERM);
  CHECK(reach(*capture, *world.b, AF_INET, b, {.identity = 5}) == EPERM);
  CHECK(reach(*capture, *world.b, AF_INET, b, {.identity = 6}) == 0);
}

TEST_CASE("policy: denied and allowed by identity, also by one that came later") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  const std::uint32_t set =
      add(*capture, SetBuilder(VERDICT_ALLOW).identity(7, 1).cell(1, any, any, VERDICT_DENY));
  publish(*capture, *world.b, set);
  for (const Way &way : ways_to(*world.b)) {
    INFO(way.name);
    const Endpoint to{way.ip, port};
    CHECK(reach(*capture, *world.b, way.family, to, {.identity = 7}) == EPERM);
    CHECK(reach(*capture, *world.b, way.family, to, {.identity = 8}) == 0);
    CHECK(reach(*capture, *world.b, way.family, to, {.identity = IDENTITY_NONE}) == 0);
  }
  REQUIRE(capture->policies().add_identity(set, 8, 1));
  const Endpoint to{world.b->addresses.v4, port};
  CHECK(reach(*capture, *world.b, AF_INET, to, {.identity = 8}) == EPERM);
  CHECK(event(*capture, "refused_policy") == ways_to(*world.b).size() + 1);
}

TEST_CASE("policy: denied and allowed by the client's address, the longest prefix decides") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  SetBuilder set(VERDICT_DENY);
  set.source("10.77.0.0/16", 1).source("10.77.1.0/24", 2).source("10.77.1.9/32", 1);
  set.source("fd77::/32", 1).source("fd77:0:1::/48", 2).source("0.0.0.0/0", 3);
  set.cell(any, 1, any, VERDICT_ALLOW);
  publish(*capture, *world.b, add(*capture, set));
  const std::pair<const char *, int> clients[] = {
      {"10.77.0.5", 0}, {"10.77.1.5", EPERM},   {"10.77.1.9", 0},   {"10.78.0.1", EPERM},
      {"fd77::5", 0},   {"fd77:0:1::5", EPERM}, {"fd78::1", EPERM}, {"::1", EPERM}};
  for (const auto &[client, expected] : clients) {
    for (const Way &way : ways_to(*world.b)) {
      INFO(client << " to " << way.name);
      CHECK(reach(*capture, *world.b, way.family, {way.ip, port}, {1, client}) == expected);
    }
  }
}

TEST_CASE("policy: denied and allowed by port, of one family or of both") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  SetBuilder set(VERDICT_DENY);
  set.port(port, false, 1).port(port, true, 1).port(port + 1, false, 1).port(0, true, 2);
  set.cell(any, any, 1, VERDICT_ALLOW).cell(any, any, 2, VERDICT_DENY);
  publish(*capture, *world.b, add(*capture, set));
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const Ip ip = flavour.of(*world.b);
    const auto to_port = [&](std::uint16_t wanted) {
      return reach(*capture, *world.b, flavour.family, {ip, wanted}, {});
    };
    CHECK(to_port(port) == 0);
    CHECK(to_port(port + 1) == (ip.is_v4() ? 0 : EPERM));
    CHECK(to_port(port + 2) == EPERM);
  }
}

TEST_CASE("policy: DENY wins over ALLOW, in whatever combination it is said") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  SetBuilder set(VERDICT_DENY);
  set.identity(1, 1).source("10.77.0.0/16", 1).port(port, false, 1);
  set.cell(1, any, any, VERDICT_ALLOW, 0).cell(any, 1, 1, VERDICT_DENY, 1);
  publish(*capture, *world.b, add(*capture, set));
  const Ip ip = world.b->addresses.v4;
  CHECK(reach(*capture, *world.b, AF_INET, {ip, port}, {1, "10.77.0.5"}) == EPERM);
  CHECK(reach(*capture, *world.b, AF_INET, {ip, port + 1}, {1, "10.77.0.5"}) == 0);
  CHECK(reach(*capture, *world.b, AF_INET, {ip, port}, {1, "10.78.0.5"}) == 0);
  CHECK(reach(*capture, *world.b, AF_INET, {ip, port + 1}, {2, "10.77.0.5"}) == EPERM);
}

namespace {

// Random, but every kind of cell and every table in it.
SetBuilder random_set(std::mt19937 &random) {
  const auto up_to = [&](std::uint32_t most) {
    return static_cast<std::uint32_t>(random() % (most + 1));
  };
  SetBuilder set(up_to(1) == 0 ? VERDICT_DENY : VERDICT_ALLOW);
  for (std::uint32_t identity = 1; identity <= 4; ++identity)
    set.identity(identity, up_to(2));
  for (const char *prefix : {"10.77.0.0/16", "10.77.1.0/24", "0.0.0.0/0", "fd77::/32", "::/0"})
    set.source(prefix, up_to(2));
  for (std::uint16_t index = 0; index < 3; ++index) {
    set.port(static_cast<std::uint16_t>(port + index), false, up_to(2));
    set.port(static_cast<std::uint16_t>(port + index), true, up_to(2));
  }
  for (std::uint16_t policy = 0; policy < 6; ++policy) {
    const auto axis = [&] { return up_to(1) == 0 ? any : up_to(2); };
    set.cell(axis(), axis(), axis(), up_to(1) == 0 ? VERDICT_DENY : VERDICT_ALLOW, policy);
  }
  return set;
}

}  // namespace

TEST_CASE("policy: the probe says what real sockets then see, over random sets and questions") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  const auto seed = static_cast<std::uint32_t>(std::random_device{}());
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto ways = ways_to(*world.b);
  std::array<int, 3> answers{};
  for (int round = 0; round < 20; ++round) {
    const std::uint32_t set = add(*capture, random_set(random));
    publish(*capture, *world.b, set);
    for (int count = 0; count < 30; ++count) {
      constexpr const char *clients[] = {"10.77.0.5", "10.77.1.5", "10.1.1.1", "fd77::5",
                                         "fd01::1"};
      const Way &way = ways[random() % ways.size()];
      const Client client{static_cast<std::uint32_t>(random() % 6), clients[random() % 5]};
      const auto to_port = static_cast<std::uint16_t>(port + random() % Application::ports);
      verdict_question question{set, client.identity, {}, to_port, !way.ip.is_v4()};
      std::ranges::copy(Ip::parse(client.ip)->bytes, question.client);
      const auto answer = capture->policies().verdict(question);
      REQUIRE(answer);
      ++answers[answer->verdict];
      INFO(way.name << ":" << to_port << " identity " << client.identity << " " << client.ip);
      const int error = reach(*capture, *world.b, way.family, {way.ip, to_port}, client);
      CHECK(error == (answer->verdict == VERDICT_ALLOW ? 0 : EPERM));
    }
    capture->policies().remove_sets({set});
  }
  CHECK(answers[VERDICT_ALLOW] > 50);
  CHECK(answers[VERDICT_DENY] > 50);
}
