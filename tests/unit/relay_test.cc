// SPDX-License-Identifier: Apache-2.0
// A path of two relays and a tunnel, all over loopback TCP.
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "relay_ends.h"

namespace {

using namespace culvert;
using namespace culvert::test;

// One direction of a transfer: writes in pieces of random sizes, compares what arrives as it comes.
class Transfer {
 public:
  Transfer(int from, int to, std::size_t size, std::uint32_t seed)
      : from_(from), to_(to), size_(size), block_(pattern(block_size, seed)), seed_(seed) {}
  void write() {
    for (int i = 0; i < 8 && sent_ < size_; ++i) {
      const std::size_t at = sent_ % block_size;
      const std::size_t want = std::min({random() % 100000 + 1, block_size - at, size_ - sent_});
      const ssize_t n = ::send(from_, block_.data() + at, want, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n <= 0) break;
      sent_ += static_cast<std::size_t>(n);
    }
    if (sent_ == size_ && !ended_) {
      ended_ = true;
      ::shutdown(from_, SHUT_WR);
    }
  }
  void read() {
    for (int i = 0; i < 8; ++i) {
      const Bytes part = read_some(to_, random() % 200000 + 1);
      if (part.empty()) return;
      for (std::size_t done = 0; done < part.size();) {
        const std::size_t at = received_ % block_size;
        const std::size_t size = std::min(part.size() - done, block_size - at);
        exact_ = exact_ && std::equal(part.begin() + static_cast<std::ptrdiff_t>(done),
                                      part.begin() + static_cast<std::ptrdiff_t>(done + size),
                                      block_.begin() + static_cast<std::ptrdiff_t>(at));
        received_ += size;
        done += size;
      }
    }
  }
  bool complete() const { return received_ >= size_; }
  bool exact() const { return exact_ && received_ == size_; }

 private:
  static constexpr std::size_t block_size = 1000003;  // a prime: no boundary repeats
  std::size_t random() { return (seed_ = seed_ * 1664525 + 1013904223) >> 8; }
  int from_, to_;
  std::size_t size_, sent_ = 0, received_ = 0;
  Bytes block_;
  std::uint32_t seed_;
  bool ended_ = false, exact_ = true;
};

bool both_clean(const Path &path, std::size_t count = 1) {
  return path.client.outcomes.size() == count && path.server.outcomes.size() == count;
}

// One short connection over whatever relays run now.
void exchange(Path &path, std::size_t count) {
  write_all(path.client.application.get(), bytes_of("question"));
  ::shutdown(path.client.application.get(), SHUT_WR);
  Bytes got;
  REQUIRE(path.turn_until([&] {
    const Bytes part = read_some(path.server.application.get());
    got.insert(got.end(), part.begin(), part.end());
    return got.size() >= 8 && at_end(path.server.application.get());
  }));
  CHECK(got == bytes_of("question"));
  CHECK(path.client.outcomes.size() == count - 1);  // half-closed is not over
  write_all(path.server.application.get(), bytes_of("answer"));
  path.server.application.reset();
  REQUIRE(path.turn_until([&] { return both_clean(path, count); }));
  path.turn_for(std::chrono::milliseconds(5));  // the relays are buried
  CHECK(read_exactly(path.client.application.get(), 6) == bytes_of("answer"));
  CHECK(read_end(path.client.application.get()) == 0);
}

TEST_CASE("relay: half-close, the other direction goes on and the end is clean on both sides") {
  Path path;
  exchange(path, 1);
  for (Half *half : {&path.client, &path.server}) {
    CHECK(half->outcomes[0].refusal == Refusal::none);
    CHECK(half->outcomes[0].tunnel_idle);
    CHECK(half->place.buffers.taken() == 0);
  }
  CHECK(path.client.up_bytes == 8);
  CHECK(path.client.down_bytes == 6);
  CHECK(path.server.up_bytes == 6);
  CHECK(path.server.down_bytes == 8);
}

TEST_CASE("relay: the server ends first, the client goes on") {
  Path path;
  ::shutdown(path.server.application.get(), SHUT_WR);
  REQUIRE(path.turn_until([&] { return at_end(path.client.application.get()); }));
  write_all(path.client.application.get(), bytes_of("still here"));
  REQUIRE(path.turn_until([&] { return path.server.relay->down_bytes() == 10; }));
  CHECK(read_exactly(path.server.application.get(), 10) == bytes_of("still here"));
  CHECK(path.client.outcomes.empty());
  path.client.application.reset();
  CHECK(path.turn_until([&] { return both_clean(path); }));
}

TEST_CASE("relay: a clean end, the tunnel carries more connections, ten in a row") {
  Path path;
  for (std::size_t i = 1; i <= 10; ++i) {
    exchange(path, i);
    REQUIRE(path.client.outcomes.back().tunnel_idle);
    REQUIRE(path.server.outcomes.back().tunnel_idle);
    path.client.start(true);
    path.server.start(true);
  }
}

TEST_CASE("relay: a bare peer, its tunnel is not used again") {
  Path path(false, {.bare = true});
  exchange(path, 1);
  CHECK(path.client.outcomes[0].refusal == Refusal::none);
  CHECK_FALSE(path.client.outcomes[0].tunnel_idle);
}

TEST_CASE("relay: OPENED not there yet, data go out at once and the answer comes behind it") {
  HalfWithPeer scene(false);
  write_all(scene.half.application.get(), bytes_of("early"));
  scene.half.place.turn_for(std::chrono::milliseconds(10));
  const auto data = scene.peer.receive();
  REQUIRE(data.has_value());
  CHECK(data->content == bytes_of("early"));
  scene.peer.send_message({2});
  REQUIRE(scene.half.place.turn_until([&] { return scene.half.messages.size() == 1; }));
  scene.half.relay->opened();
  scene.peer.send_data("answer");
  scene.half.place.turn_for(std::chrono::milliseconds(10));
  CHECK(read_exactly(scene.half.application.get(), 6) == bytes_of("answer"));
}

TEST_CASE("relay: a reader that does not read, the writer is stopped and memory is bounded") {
  Path path;
  std::size_t written = 0;
  std::size_t last = 1;
  for (int quiet = 0; quiet < 20;) {
    last = stuff(path.client.application.get());
    written += last;
    quiet = last == 0 ? quiet + 1 : 0;
    path.turn_for(std::chrono::milliseconds(2));
    REQUIRE(written < 200U << 20);
  }
  CHECK(path.client.place.buffers.taken() <= 2);
  CHECK(path.server.place.buffers.taken() <= 2);
  CHECK(path.client.taken_max <= 2);
  CHECK(path.server.taken_max <= 2);
  std::size_t got = 0;
  CHECK(path.turn_until(
      [&] {
        got += read_some(path.server.application.get()).size();
        return got == written;
      },
      std::chrono::seconds(60)));
  path.turn_for(std::chrono::milliseconds(10));
  CHECK(path.client.place.buffers.taken() == 0);
  CHECK(path.server.place.buffers.taken() == 0);
}

TEST_CASE("relay: 50 MB each way at once in pieces of every size, byte for byte") {
  const std::uint64_t key_update_records = GENERATE(1ULL << 23, 100ULL);
  Path path(false, {.key_update_records = key_update_records});
  const int client = path.client.application.get(), server = path.server.application.get();
  Transfer there(client, server, 50U << 20, 1), back(server, client, 50U << 20, 2);
  REQUIRE(path.turn_until(
      [&] {
        there.write();
        back.write();
        there.read();
        back.read();
        return there.complete() && back.complete();
      },
      std::chrono::seconds(120)));
  CHECK(there.exact());
  CHECK(back.exact());
  REQUIRE(path.turn_until([&] { return both_clean(path); }));
  CHECK(path.client.outcomes[0].tunnel_idle);
  CHECK(path.client.taken_max <= 4);  // a Buffer in each direction, and the records' own
  if (key_update_records == 100) CHECK(path.client.place.counters.key_updates_received.get() > 20);
}

TEST_CASE("relay: through tiny sockets, 1 MB each way at once, byte for byte") {
  Path path(true);
  const int client = path.client.application.get(), server = path.server.application.get();
  Transfer there(client, server, 1U << 20, 3), back(server, client, 1U << 20, 4);
  REQUIRE(path.turn_until(
      [&] {
        there.write();
        back.write();
        there.read();
        back.read();
        return there.complete() && back.complete() && both_clean(path);
      },
      std::chrono::seconds(60)));
  CHECK(there.exact());
  CHECK(back.exact());
}

}  // namespace
