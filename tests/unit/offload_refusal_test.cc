// SPDX-License-Identifier: Apache-2.0
// The userspace engine against records that are not what they should be.
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>

#include "support/data_path.h"

namespace {

using namespace culvert;
using namespace culvert::test;

constexpr auto suite = CipherSuite::aes_128_gcm_sha256;

// One Records side and a peer by hand.
struct Side {
  Side() : pair(tcp_pair()), peer(make_peer(std::move(pair.right))) {
    auto made = Records::create(pair.left, fixed_keys(suite, 1), fixed_keys(suite, 2),
                                {.engine = RecordEngine::userspace}, pool);
    ENSURE(made.has_value());
    records = std::move(*made);
  }
  // What comes of `wire`: data is collected, the first thing that is neither data nor nothing is
  // returned. Content is copied out, since it dies with settle().
  Incoming::Kind take(const Bytes &wire) {
    Bytes slot(wire.size() + Ring::headroom + Ring::tailroom);
    std::ranges::copy(wire, slot.begin() + Ring::headroom);
    records->feed(std::span(slot).subspan(Ring::headroom, wire.size()));
    Incoming incoming = records->next();
    for (; incoming.kind == Incoming::Kind::data; incoming = records->next()) {
      for (const iovec &run : incoming.runs) {
        const auto *first = static_cast<const std::uint8_t *>(run.iov_base);
        data.insert(data.end(), first, first + run.iov_len);
      }
    }
    refusal = incoming.refusal;
    return incoming.kind;
  }
  void expect_refused(const Bytes &wire, Refusal expected = Refusal::record_invalid) {
    CHECK(take(wire) == Incoming::Kind::failed);
    CHECK(refusal == expected);
  }

  BufferPool pool;
  SocketPair pair;
  Peer peer;
  std::unique_ptr<Records> records;
  Bytes data;
  Refusal refusal = Refusal::none;
};

// In a braced list the records are sealed in the order in which they stand.
Bytes join(std::initializer_list<Bytes> records) {
  Bytes wire;
  for (const Bytes &record : records)
    wire.insert(wire.end(), record.begin(), record.end());
  return wire;
}

TEST_CASE("offload: a suite that does not exist, refused") {
  Side side;
  TrafficKeys keys = fixed_keys(suite, 1);
  keys.suite = static_cast<CipherSuite>(0x1304);
  CHECK_FALSE(
      Records::create(side.pair.left, keys, keys, {.engine = RecordEngine::userspace}, side.pool)
          .has_value());
}

TEST_CASE("offload: one bit of a record changed anywhere behind the header, record_invalid") {
  for (const std::size_t at : {5UL, 7UL, 10UL, 11UL, 26UL}) {
    Side side;
    Bytes wire = side.peer.sealed(23, bytes_of("secret"));
    REQUIRE(at < wire.size());
    wire[at] ^= 0x10;
    side.expect_refused(wire);
    CHECK(side.data.empty());
  }
}

TEST_CASE("offload: a wrong type, version or length in the header, record_invalid") {
  struct Case {
    std::size_t at;
    std::uint8_t value;
  };
  for (const auto &[at, value] :
       {Case{0, 22}, Case{0, 0xCC}, Case{0, 0}, Case{1, 2}, Case{2, 1}, Case{2, 4}}) {
    Side side;
    Bytes wire = side.peer.sealed(23, bytes_of("secret"));
    wire[at] = value;
    side.expect_refused(wire);
  }
}

TEST_CASE("offload: a length beyond the limit or below a tag, refused from the header alone") {
  Side too_long, too_short;
  too_long.expect_refused({23, 3, 3, 0x41, 0x01});  // 16641
  too_short.expect_refused({23, 3, 3, 0, 16});
}

TEST_CASE("offload: content beyond 16384 bytes in a record that fits, record_invalid") {
  Side side;
  side.expect_refused(side.peer.sealed(23, pattern(16385)));
}

TEST_CASE("offload: an inner plaintext of zeros only, record_invalid, alone or behind good data") {
  for (const std::size_t size : {1UL, 2UL, 100UL}) {
    Side alone;
    alone.expect_refused(alone.peer.sealed_text(Bytes(size)));
    Side behind;
    behind.expect_refused(
        join({behind.peer.sealed(23, bytes_of("good")), behind.peer.sealed_text(Bytes(size))}));
    CHECK(behind.data == bytes_of("good"));
  }
}

TEST_CASE("offload: a bad record behind good ones, the good are given out and then it ends") {
  Side side;
  const Bytes good =
      join({side.peer.sealed(23, bytes_of("one")), side.peer.sealed(23, bytes_of("two"))});
  Bytes third = side.peer.sealed(23, bytes_of("three"));
  third.back() ^= 1;
  side.expect_refused(join({good, third, side.peer.sealed(23, bytes_of("four"))}));
  CHECK(side.data == bytes_of("onetwo"));
}

TEST_CASE("offload: a record twice, left out or out of order, record_invalid") {
  Side twice;
  const Bytes one = twice.peer.sealed(23, bytes_of("one"));
  twice.expect_refused(join({one, one}));
  CHECK(twice.data == bytes_of("one"));
  Side left_out;
  (void)left_out.peer.sealed(23, bytes_of("one"));
  left_out.expect_refused(left_out.peer.sealed(23, bytes_of("two")));
}

TEST_CASE("offload: a flood of empty records, protocol; a few are nothing") {
  Side few;
  Bytes wire;
  for (int i = 0; i < 32; ++i)
    wire = join({wire, few.peer.sealed(23, {})});
  CHECK(few.take(join({wire, few.peer.sealed(23, bytes_of("x"))})) == Incoming::Kind::nothing);
  CHECK(few.data == bytes_of("x"));
  Side many;
  wire.clear();
  for (int i = 0; i < 33; ++i)
    wire = join({wire, many.peer.sealed(23, {})});
  many.expect_refused(wire, Refusal::protocol);
}

TEST_CASE("offload: the tunnel's other end resets, sending fails and the error names it") {
  Side side;
  side.peer.reset();
  Bytes slot(Ring::headroom + 100 + Ring::tailroom);
  Flow flow = Flow::done;
  for (int i = 0; i < 100 && flow == Flow::done; ++i) {
    flow = side.records->send_slot(std::span(slot).subspan(Ring::headroom, 100));
  }
  CHECK(flow == Flow::failed);
  CHECK((side.records->error() == ECONNRESET || side.records->error() == EPIPE));
}

TEST_CASE("offload: padded records up to the limit, accepted without their padding") {
  Side side;
  CHECK(side.take(side.peer.sealed(23, bytes_of("a"), 1)) == Incoming::Kind::nothing);
  CHECK(side.take(side.peer.sealed(23, bytes_of("b"), 1000)) == Incoming::Kind::nothing);
  CHECK(side.take(side.peer.sealed(23, {}, 50)) == Incoming::Kind::nothing);
  CHECK(side.take(side.peer.sealed(23, pattern(16384), 239)) == Incoming::Kind::nothing);
  CHECK(side.data == join({bytes_of("ab"), pattern(16384)}));
}

TEST_CASE("offload: content that ends in zeros, kept whole") {
  Side side;
  const Bytes zeros(300);
  CHECK(side.take(side.peer.sealed(23, zeros)) == Incoming::Kind::nothing);
  CHECK(side.data == zeros);
}

}  // namespace
