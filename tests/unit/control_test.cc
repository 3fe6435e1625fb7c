// SPDX-License-Identifier: Apache-2.0
#include "culvert/control.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <thread>

#include "culvert/fd.h"

using namespace culvert;
using std::chrono::milliseconds;

namespace {
std::unique_ptr<Loop> make_loop() {
  auto loop = Loop::create();
  REQUIRE(loop);
  return std::move(*loop);
}
}  // namespace

TEST_CASE("loop: a Watch that ended, its callback never runs") {
  auto loop = make_loop();
  bool ran = false;
  {
    Watch gone = loop->after(milliseconds(1), [&] { ran = true; });
  }
  Watch stop = loop->after(milliseconds(20), [&] { loop->stop(); });
  loop->run();
  CHECK_FALSE(ran);
}

TEST_CASE("loop: a callback that ends its own Watch, it runs to its end") {
  auto loop = make_loop();
  int ran = 0;
  auto payload = std::make_shared<int>(7);
  Watch self;
  self = loop->every(milliseconds(1), [&self, &ran, payload] {
    self = Watch();
    ran += *payload;
  });
  Watch stop = loop->after(milliseconds(20), [&] { loop->stop(); });
  loop->run();
  CHECK(ran == 7);
  CHECK(payload.use_count() == 1);
}

TEST_CASE("loop: timers, after runs once and every again") {
  auto loop = make_loop();
  int once = 0, many = 0;
  Watch first = loop->after(milliseconds(1), [&] { ++once; });
  Watch second = loop->every(milliseconds(2), [&] {
    if (++many == 3) loop->stop();
  });
  loop->run();
  CHECK(once == 1);
  CHECK(many == 3);
}

TEST_CASE("loop: nothing watched for a moment, it keeps running") {
  auto loop = make_loop();
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  Watch last;
  Watch first = loop->after(milliseconds(1), [&] {
    first = Watch();
    last = loop->after(milliseconds(5), [&] { loop->stop(); });
  });
  loop->run();
  SUCCEED();
}

TEST_CASE("loop: an eventfd written by another thread, on_readable runs") {
  auto loop = make_loop();
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::uint64_t value = 0;
  Watch readable = loop->on_readable(wake.get(), [&] {
    REQUIRE(::read(wake.get(), &value, sizeof value) == sizeof value);
    loop->stop();
  });
  std::thread other([&] {
    std::uint64_t five = 5;
    REQUIRE(::write(wake.get(), &five, sizeof five) == sizeof five);
  });
  loop->run();
  other.join();
  CHECK(value == 5);
}

TEST_CASE("loop: a signal, on_signal runs in the loop") {
  auto loop = make_loop();
  int got = 0;
  Watch signal = loop->on_signal(SIGUSR1, [&] {
    ++got;
    loop->stop();
  });
  Watch raise = loop->after(milliseconds(1), [] { ::raise(SIGUSR1); });
  loop->run();
  CHECK(got == 1);
}
