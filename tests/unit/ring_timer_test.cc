// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <vector>

#include "culvert/timer.h"

namespace {

using namespace culvert;
using namespace std::chrono_literals;

struct Sleeper {
  void on_timeout() {
    ++calls;
    if (then) then();
  }
  Timer timer;
  int calls = 0;
  std::function<void()> then;
};

const Clock::time_point start{};

TEST_CASE("timer: nothing armed, no deadline") {
  TimerList list(10ms);
  CHECK_FALSE(list.next().has_value());
  list.run(start + 1h);
}

TEST_CASE("timer: before its deadline, not called; at it, once and disarmed") {
  TimerList list(10ms);
  Sleeper sleeper;
  list.arm<&Sleeper::on_timeout>(sleeper.timer, &sleeper, start);
  CHECK(list.next() == start + 10ms);
  list.run(start + 9ms);
  CHECK(sleeper.calls == 0);
  list.run(start + 10ms);
  CHECK(sleeper.calls == 1);
  CHECK_FALSE(sleeper.timer.armed());
  list.run(start + 1h);
  CHECK(sleeper.calls == 1);
}

TEST_CASE("timer: several, called in the order in which they were armed") {
  TimerList list(10ms);
  std::vector<Sleeper> sleepers(5);
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) {
    auto &sleeper = sleepers[static_cast<std::size_t>(i)];
    sleeper.then = [&order, i] { order.push_back(i); };
    list.arm<&Sleeper::on_timeout>(sleeper.timer, &sleeper, start + i * 1ms);
  }
  list.run(start + 12ms);
  CHECK(order == std::vector{0, 1, 2});
  CHECK(list.next() == start + 13ms);
  list.run(start + 14ms);
  CHECK(order == std::vector{0, 1, 2, 3, 4});
}

TEST_CASE("timer: armed again, its old deadline is forgotten") {
  TimerList list(10ms);
  Sleeper one, two;
  list.arm<&Sleeper::on_timeout>(one.timer, &one, start);
  list.arm<&Sleeper::on_timeout>(two.timer, &two, start + 1ms);
  list.arm<&Sleeper::on_timeout>(one.timer, &one, start + 5ms);
  CHECK(list.next() == start + 11ms);
  list.run(start + 11ms);
  CHECK(one.calls == 0);
  CHECK(two.calls == 1);
  list.run(start + 15ms);
  CHECK(one.calls == 1);
}

TEST_CASE("timer: a callback disarms another that is due, it is not called") {
  TimerList list(10ms);
  Sleeper first, second, third;
  for (Sleeper *sleeper : {&first, &second, &third}) {
    list.arm<&Sleeper::on_timeout>(sleeper->timer, sleeper, start);
  }
  first.then = [&] { second.timer.disarm(); };
  list.run(start + 10ms);
  CHECK(first.calls == 1);
  CHECK(second.calls == 0);
  CHECK(third.calls == 1);
}

TEST_CASE("timer: a callback arms its own again, called at the next deadline only") {
  TimerList list(10ms);
  Sleeper sleeper;
  sleeper.then = [&] { list.arm<&Sleeper::on_timeout>(sleeper.timer, &sleeper, start + 10ms); };
  list.arm<&Sleeper::on_timeout>(sleeper.timer, &sleeper, start);
  list.run(start + 10ms);
  CHECK(sleeper.calls == 1);
  CHECK(list.next() == start + 20ms);
  sleeper.timer.disarm();
}

TEST_CASE("timer: its owner is destroyed, the list goes on without it") {
  TimerList list(10ms);
  Sleeper stays;
  {
    Sleeper goes;
    list.arm<&Sleeper::on_timeout>(goes.timer, &goes, start);
    list.arm<&Sleeper::on_timeout>(stays.timer, &stays, start + 1ms);
  }
  list.run(start + 1h);
  CHECK(stays.calls == 1);
}

TEST_CASE("timer: its list is destroyed first, it is disarmed") {
  Sleeper sleeper;
  {
    TimerList list(10ms);
    list.arm<&Sleeper::on_timeout>(sleeper.timer, &sleeper, start);
  }
  CHECK_FALSE(sleeper.timer.armed());
}

}  // namespace
