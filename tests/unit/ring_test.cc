// SPDX-License-Identifier: Apache-2.0
#include "culvert/ring.h"

#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "support/data_path.h"

namespace {

using namespace culvert;
using namespace culvert::test;

// Remembers every event of one completion.
struct Waiter {
  Waiter() { completion.bind<&Waiter::on_event>(this); }
  void on_event(const Event &event) {
    results.push_back(event.result);
    data.insert(data.end(), event.data.begin(), event.data.end());
    for (std::size_t i = 0; i < gap && !event.data.empty(); ++i) {  // ours: a sanitizer watches
      event.data.data()[-1 - static_cast<std::ptrdiff_t>(i)] = 0xAA;
      event.data.data()[event.data.size() + i] = 0xBB;
    }
    if (again) again();
  }
  Completion completion;
  std::vector<int> results;
  Bytes data;
  std::size_t gap = 0;
  std::function<void()> again;
};

UniqueFd listener_on_loopback(SocketAddress &address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  address = SocketAddress({Ip::loopback_v4(), 0});
  ENSURE(::bind(fd.get(), address.get(), address.size()) == 0 && ::listen(fd.get(), 16) == 0);
  ENSURE(::getsockname(fd.get(), address.get(), address.size_pointer()) == 0);
  return fd;
}

void end(Place &place, Waiter &waiter) {
  if (waiter.completion.in_flight()) place.ring->cancel(waiter.completion);
  REQUIRE(place.turn_until([&] { return !waiter.completion.in_flight(); }));
}

TEST_CASE("ring: connect to a port where nobody listens, ECONNREFUSED once") {
  Place place;
  SocketAddress address;
  listener_on_loopback(address).reset();
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Waiter waiter;
  place.ring->connect(waiter.completion, fd.get(), address);
  CHECK(waiter.results.empty());  // never from the call that starts it
  REQUIRE(place.turn_until([&] { return !waiter.results.empty(); }));
  place.turn_for(std::chrono::milliseconds(10));
  CHECK(waiter.results == std::vector{-ECONNREFUSED});
}

TEST_CASE("ring: a receive without a free buffer, ENOBUFS, and the bytes are still in the socket") {
  Place place;
  place.ring = Place::make_ring(1);
  auto first = tcp_pair();
  auto second = tcp_pair();
  write_all(first.left.get(), bytes_of("one"));
  write_all(second.left.get(), bytes_of("two"));
  Waiter a, b;
  place.ring->receive(a.completion, first.right.get(), BufferGroup::records);
  place.ring->receive(b.completion, second.right.get(), BufferGroup::records);
  REQUIRE(place.turn_until([&] { return !a.results.empty() && !b.results.empty(); }));
  // One buffer, two receives in a turn: whichever came second may have found none.
  int missed = 0;
  for (const auto &[waiter, fd, text] :
       {std::tuple{&a, first.right.get(), "one"}, std::tuple{&b, second.right.get(), "two"}}) {
    if (waiter->results[0] != -ENOBUFS) {
      CHECK(waiter->data == bytes_of(text));
      continue;
    }
    ++missed;
    place.ring->receive(waiter->completion, fd, BufferGroup::records);
    REQUIRE(place.turn_until([&] { return waiter->results.size() == 2; }));
    CHECK(waiter->data == bytes_of(text));
  }
  CHECK(missed == 1);
}

TEST_CASE("ring: more receives at once than buffers, afterwards there are as many as it takes") {
  Place place;
  place.ring = Place::make_ring(1);
  std::array<SocketPair, 4> pairs = {tcp_pair(), tcp_pair(), tcp_pair(), tcp_pair()};
  const auto missed = [&] {
    std::array<Waiter, 4> waiters;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      write_all(pairs[i].left.get(), bytes_of("x"));
      place.ring->receive(waiters[i].completion, pairs[i].right.get(), BufferGroup::records);
    }
    const auto came = [](const Waiter &waiter) { return waiter.results.size() == 1; };
    REQUIRE(place.turn_until([&] { return std::ranges::all_of(waiters, came); }));
    return std::ranges::count_if(
        waiters, [](const Waiter &waiter) { return waiter.results[0] == -ENOBUFS; });
  };
  CHECK(missed() == 3);
  for (int round = 0; round < 3; ++round)
    CHECK(missed() == 0);
}

TEST_CASE("ring: cancel of a wait, one event with ECANCELED") {
  Place place;
  auto pair = tcp_pair();
  Waiter waiter;
  place.ring->receive(waiter.completion, pair.right.get(), BufferGroup::plaintext);
  place.turn_for(std::chrono::milliseconds(5));
  CHECK(waiter.results.empty());
  end(place, waiter);
  place.turn_for(std::chrono::milliseconds(5));
  CHECK(waiter.results == std::vector{-ECANCELED});
}

TEST_CASE("ring: cancel of what has already happened, one event with what happened") {
  Place place;
  auto pair = tcp_pair();
  write_all(pair.left.get(), bytes_of("x"));
  Waiter waiter;
  place.ring->poll(waiter.completion, pair.right.get(), POLLIN);
  end(place, waiter);
  place.turn_for(std::chrono::milliseconds(5));
  REQUIRE(waiter.results.size() == 1);
  CHECK((waiter.results[0] == POLLIN || waiter.results[0] == -ECANCELED));
}

TEST_CASE("ring: connect and accept, the connections arrive one event each and then it goes on") {
  Place place;
  SocketAddress address;
  const UniqueFd listener = listener_on_loopback(address);
  Waiter acceptor;
  place.ring->accept(acceptor.completion, listener.get());
  std::vector<UniqueFd> clients;
  for (std::size_t i = 1; i <= 5; ++i) {
    clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    Waiter connector;
    place.ring->connect(connector.completion, clients.back().get(), address);
    REQUIRE(place.turn_until(
        [&] { return connector.results.size() == 1 && acceptor.results.size() == i; }));
    CHECK(connector.results[0] == 0);
    CHECK(acceptor.completion.in_flight());
  }
  for (const int fd : acceptor.results)
    CHECK(fd > 0);
  for (const int fd : acceptor.results)
    UniqueFd(fd).reset();
  end(place, acceptor);
}

TEST_CASE("ring: end of stream and reset, told apart by the result") {
  Place place;
  auto ended = tcp_pair();
  ended.left.reset();
  Waiter fin;
  place.ring->receive(fin.completion, ended.right.get(), BufferGroup::plaintext);
  auto cut = tcp_pair();
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(cut.left.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  cut.left.reset();
  Waiter rst;
  place.ring->receive(rst.completion, cut.right.get(), BufferGroup::plaintext);
  REQUIRE(place.turn_until([&] { return fin.results.size() == 1 && rst.results.size() == 1; }));
  CHECK(fin.results[0] == 0);
  CHECK(rst.results[0] == -ECONNRESET);
}

TEST_CASE("ring: a thousand receives through four buffers, every byte once and room around it") {
  Place place;
  place.ring = Place::make_ring(4);
  auto pair = tcp_pair();
  Waiter waiter;
  waiter.gap = Ring::headroom;
  static_assert(Ring::headroom == Ring::tailroom);
  Bytes sent;
  for (std::size_t i = 0; i < 1000; ++i) {
    const Bytes part = pattern(1 + i * 37 % 3000, static_cast<std::uint32_t>(i));
    write_all(pair.left.get(), part);
    sent.insert(sent.end(), part.begin(), part.end());
    const auto group = i % 2 == 0 ? BufferGroup::plaintext : BufferGroup::records;
    place.ring->receive(waiter.completion, pair.right.get(), group);
    REQUIRE(place.turn_until([&] { return waiter.results.size() == i + 1; }));
  }
  CHECK(waiter.data == sent);
}

TEST_CASE("ring: an operation started inside its own callback, one event more") {
  Place place;
  auto pair = tcp_pair();
  Waiter waiter;
  waiter.again = [&] {
    if (waiter.results.size() < 3) {
      place.ring->poll(waiter.completion, pair.right.get(), POLLOUT);
    }
  };
  place.ring->poll(waiter.completion, pair.right.get(), POLLOUT);
  place.turn_for(std::chrono::milliseconds(20));
  CHECK(waiter.results.size() == 3);
}

TEST_CASE("ring: a deadline in the past, the turn ends without an event") {
  Place place;
  const auto before = Clock::now();
  place.ring->run_once(before - std::chrono::seconds(5));
  CHECK(Clock::now() - before < std::chrono::seconds(1));
  CHECK(place.ring->now() >= before);
}

TEST_CASE(
    "ring: a deadline nearer than that of an earlier turn is met, one further away waited for") {
  Place place;
  auto pair = tcp_pair();
  Waiter waiter;
  const auto begin = Clock::now();
  place.ring->poll(waiter.completion, pair.right.get(), POLLOUT);
  place.ring->run_once(begin + std::chrono::hours(1));
  REQUIRE(waiter.results.size() == 1);

  const auto near = Clock::now() + std::chrono::milliseconds(20);
  place.ring->run_once(near);
  CHECK(place.ring->now() >= near);
  CHECK(place.ring->now() < begin + std::chrono::minutes(10));

  place.ring->poll(waiter.completion, pair.right.get(), POLLOUT);
  place.ring->run_once(Clock::now() + std::chrono::milliseconds(20));
  REQUIRE(waiter.results.size() == 2);
  const auto far = Clock::now() + std::chrono::milliseconds(100);
  while (place.ring->now() < far)  // the one before may end a turn
    place.ring->run_once(far);
  CHECK(place.ring->now() < begin + std::chrono::minutes(10));
}

TEST_CASE("ring: more operations than entries in one turn, all complete") {
  Place place;  // 64 entries
  auto pair = tcp_pair();
  std::vector<std::unique_ptr<Waiter>> waiters;
  for (int i = 0; i < 200; ++i) {
    waiters.push_back(std::make_unique<Waiter>());
    place.ring->poll(waiters.back()->completion, pair.left.get(), POLLOUT);
  }
  REQUIRE(place.turn_until([&] {
    return std::ranges::all_of(waiters, [](auto &waiter) { return !waiter->results.empty(); });
  }));
  for (auto &waiter : waiters)
    CHECK(waiter->results.size() == 1);
}

struct Buried final : Mortal {
  explicit Buried(bool &gone_flag) : gone(gone_flag) { completion.bind<&Buried::on_event>(this); }
  ~Buried() override { gone = true; }
  bool settled() const override { return !completion.in_flight(); }
  void on_event(const Event &) { ++events; }
  Completion completion;
  int events = 0;
  bool &gone;
};

TEST_CASE("ring: bury with an operation in flight, deleted only once the kernel let go") {
  Place place;
  auto pair = tcp_pair();
  bool gone = false;
  auto buried = std::make_unique<Buried>(gone);
  Buried &raw = *buried;
  place.ring->poll(raw.completion, pair.right.get(), POLLIN);
  place.ring->bury(std::move(buried));
  place.turn_for(std::chrono::milliseconds(10));
  CHECK_FALSE(gone);
  place.ring->cancel(raw.completion);
  CHECK(place.turn_until([&] { return gone; }));
}

TEST_CASE("ring: bury between two turns, what it holds is closed before the next one waits") {
  struct Holder final : Mortal {
    explicit Holder(UniqueFd held) : fd(std::move(held)) {}
    bool settled() const override { return true; }
    UniqueFd fd;
  };
  Place place;
  auto pair = tcp_pair();
  Waiter waiter;
  place.ring->poll(waiter.completion, pair.right.get(), POLLIN);
  place.turn_for(std::chrono::milliseconds(10));
  place.ring->bury(std::make_unique<Holder>(std::move(pair.left)));
  place.ring->run_once(Clock::now() + std::chrono::seconds(5));  // one turn: the end is seen in it
  CHECK(waiter.results.size() == 1);
}

TEST_CASE("ring: bury with nothing in flight, deleted at the end of the turn and not before") {
  Place place;
  bool gone = false;
  place.ring->bury(std::make_unique<Buried>(gone));
  CHECK_FALSE(gone);
  place.ring->run_once(Clock::now());
  CHECK(gone);
}

TEST_CASE("ring: the buffer given back last is taken first, and all come back") {
  BufferPool pool;
  auto one = pool.take();
  auto two = pool.take();
  CHECK(pool.taken() == 2);
  two->first = two->last = 7;
  Buffer *hot = two.get();
  one.reset();
  two.reset();
  CHECK(pool.taken() == 0);
  const auto again = pool.take();
  CHECK(again.get() == hot);
  CHECK(again->first == 0);
  CHECK(again->last == 0);
}

TEST_CASE(
    "ring: the buffers that were not needed since the last trim are given back, but for one") {
  BufferPool pool;
  const auto use = [&](std::size_t count) {
    std::vector<BufferPool::Handle> taken;
    while (taken.size() < count)
      taken.push_back(pool.take());
  };
  use(4);
  pool.trim();
  CHECK(pool.free() == 4);
  use(2);
  pool.trim();
  CHECK(pool.free() == 2);
  const auto held = pool.take();
  pool.trim();
  CHECK(pool.free() == 1);
  pool.trim();
  CHECK(pool.free() == 1);
}

}  // namespace
