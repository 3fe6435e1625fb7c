// SPDX-License-Identifier: Apache-2.0
// Policy sets that change while connections are judged.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <chrono>

#include "policy_world.h"

using namespace culvert;
using namespace culvert::test;

namespace {

constexpr std::uint16_t port = Application::first_port;
constexpr std::uint32_t any = VERDICT_ANY;

// Connects as `identity` to pod b until it is stopped.
struct Visitor {
  std::atomic<int> reached = 0, refused = 0, failed = 0, last_error = 0;
  std::jthread thread;

  Visitor(const Capture &capture, const Pod &pod, std::uint32_t identity, const Way &way)
      : thread([this, announcer = capture.announcer(), &pod, identity,
                way](const std::stop_token &stop) {
          while (!stop.stop_requested()) {
            const int error = reach(announcer, pod, way.family, {way.ip, port}, {identity});
            ++(error == 0 ? reached : error == EPERM ? refused : failed);
            if (error != 0 && error != EPERM) last_error = error;
          }
        }) {}

  int answers() const { return reached + refused + failed; }
};

}  // namespace

TEST_CASE("policy: 1,000 swaps under load, every connection gets one of the two answers") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  const std::uint32_t sets[] = {add_simple_set(*capture, VERDICT_ALLOW),
                                add_simple_set(*capture, VERDICT_DENY)};
  Visitor visitor(*capture, *world.b, 1, ways_to(*world.b)[0]);
  for (int flip = 0; flip < 1000 || visitor.reached < 500 || visitor.refused < 500; ++flip) {
    publish(*capture, *world.b, sets[flip % 2]);
    publish(*capture, *world.a, sets[(flip + 1) % 2]);  // the elements change hands
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  visitor.thread.request_stop();
  visitor.thread.join();
  INFO(visitor.reached << " reached, " << visitor.refused << " refused, " << visitor.last_error);
  CHECK(visitor.failed == 0);
  CHECK(event(*capture, "permitted") == static_cast<std::uint64_t>(visitor.reached));
  CHECK(event(*capture, "refused_policy") == static_cast<std::uint64_t>(visitor.refused));
  CHECK(event(*capture, "refused_no_policy") == 0);
}

TEST_CASE("policy: sets come and go under load, what all of them say stays true") {
  World world;
  const auto capture = world.meshed_capture();
  const Application application(*world.b);
  // Identity 1 is always welcome and 2 never; the classes behind that change each time. Pod a has
  // the opposite.
  const auto make = [&](int round, std::uint32_t welcome, std::uint32_t unwelcome) {
    const auto one = static_cast<std::uint32_t>(1 + round % 7);
    SetBuilder set(round % 2 == 0 ? VERDICT_DENY : VERDICT_ALLOW);
    set.identity(welcome, one).identity(unwelcome, one + 1);
    set.source("10.77.0.0/16", one);
    set.cell(one, one, any, VERDICT_ALLOW).cell(one + 1, any, any, VERDICT_DENY);
    return add(*capture, set);
  };
  std::uint32_t in_b = make(0, 1, 2), in_a = make(0, 2, 1);
  publish(*capture, *world.b, in_b);
  publish(*capture, *world.a, in_a);
  Visitor welcome(*capture, *world.b, 1, ways_to(*world.b)[0]);
  Visitor unwelcome(*capture, *world.b, 2, ways_to(*world.b)[1]);
  // However slow the visitors are here, both are judged many times.
  for (int round = 1; round < 300 || welcome.answers() <= 100 || unwelcome.answers() <= 100;
       ++round) {
    const std::uint32_t next_b = make(round, 1, 2), next_a = make(round, 2, 1);
    publish(*capture, *world.b, next_b);
    publish(*capture, *world.a, next_a);
    capture->policies().remove_sets({in_b, in_a});
    in_b = next_b;
    in_a = next_a;
  }
  for (Visitor *visitor : {&welcome, &unwelcome}) {
    visitor->thread.request_stop();
    visitor->thread.join();
    CHECK(visitor->failed == 0);
  }
  CHECK(welcome.reached > 100);
  CHECK(welcome.refused == 0);
  CHECK(unwelcome.refused > 100);
  CHECK(unwelcome.reached == 0);
  CHECK(entries(*capture, "policy_sets") == 3);  // and the one of meshed_capture()
  CHECK(entries(*capture, "policy_identities") == 4);
}
