// SPDX-License-Identifier: Apache-2.0
// The pump between plain sockets: what makes it stop, and that no byte is lost when it does.
#include "relay/pump.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <vector>

using namespace culvert;

namespace {

struct Pair {
  UniqueFd near, far;
};

Pair pair() {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  REQUIRE(set_nonblocking(ends[0]));
  REQUIRE(set_nonblocking(ends[1]));
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::vector<std::uint8_t> pattern(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  return bytes;
}

// Reads what is there.
void read_into(std::vector<std::uint8_t> &got, const UniqueFd &from) {
  std::array<std::uint8_t, 65536> piece;
  ssize_t n = 0;
  while ((n = ::recv(from.get(), piece.data(), piece.size(), MSG_DONTWAIT)) > 0) {
    got.insert(got.end(), piece.begin(), piece.begin() + n);
  }
}

TEST_CASE("the pump moves every byte, whatever is full") {
  Counters counters;
  PipePool pool(counters);
  const PipeHandle pipe = pool.take();
  REQUIRE(pipe != nullptr);
  const Pair source = pair(), sink = pair();
  const auto bytes = pattern(3'000'000);
  std::vector<std::uint8_t> got;
  std::size_t sent = 0, taken = 0, given = 0;
  bool was_full = false;
  while (got.size() < bytes.size()) {
    const ssize_t n = ::send(source.far.get(), bytes.data() + sent, bytes.size() - sent,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<std::size_t>(n);
    const Pumped pumped = pump(*pipe, source.near.get(), sink.near.get());
    taken += pumped.taken_bytes;
    given += pumped.given_bytes;
    REQUIRE(pumped.stop != Pumped::Stop::source_failed);
    REQUIRE(pumped.stop != Pumped::Stop::sink_failed);
    REQUIRE(pipe->held == taken - given);
    REQUIRE((pumped.stop == Pumped::Stop::sink_full) == (pipe->held > 0));
    was_full |= pumped.stop == Pumped::Stop::sink_full;
    if (n <= 0 || sent == bytes.size()) read_into(got, sink.far);
  }
  CHECK(was_full);
  CHECK(got == bytes);
}

TEST_CASE("the pump stops where there is no bulk") {
  Counters counters;
  PipePool pool(counters);
  const PipeHandle pipe = pool.take();
  REQUIRE(pipe != nullptr);
  Pair source = pair(), sink = pair();
  const auto stop = [&] { return pump(*pipe, source.near.get(), sink.near.get()); };
  CHECK(stop().stop == Pumped::Stop::source_empty);
  REQUIRE(::send(source.far.get(), "little", 6, 0) == 6);
  const Pumped little = stop();
  CHECK(little.stop == Pumped::Stop::no_bulk);
  CHECK(little.given_bytes == 6);
  REQUIRE(::shutdown(source.far.get(), SHUT_WR) == 0);
  CHECK(stop().stop == Pumped::Stop::no_bulk);  // the end
  CHECK(pipe->held == 0);
}

TEST_CASE("a sink that is gone is an error, not a signal, and its pipe is not used again") {
  Counters counters;
  PipePool pool(counters);
  PipeHandle pipe = pool.take();
  REQUIRE(pipe != nullptr);
  Pair source = pair(), sink = pair();
  const int number = pipe->in.get();
  REQUIRE(::send(source.far.get(), "lost", 4, 0) == 4);
  sink.far.reset();
  const Pumped pumped = pump(*pipe, source.near.get(), sink.near.get());
  CHECK(pumped.stop == Pumped::Stop::sink_failed);
  CHECK(pumped.error == EPIPE);
  CHECK(pipe->held == 4);
  pipe.reset();
  CHECK(::fcntl(number, F_GETFD) == -1);
  pipe = pool.take();
  REQUIRE(pipe != nullptr);
  CHECK(pipe->held == 0);
}

TEST_CASE("the pool hands the same empty pipe out again") {
  Counters counters;
  PipePool pool(counters);
  PipeHandle pipe = pool.take();
  REQUIRE(pipe != nullptr);
  const Pipe *first = pipe.get();
  pipe.reset();
  pipe = pool.take();
  CHECK(pipe.get() == first);
}

}  // namespace
