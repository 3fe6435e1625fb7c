// SPDX-License-Identifier: Apache-2.0
// Two userspace engines towards each other.
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstring>

#include "support/data_path.h"

namespace {

using namespace culvert;
using namespace culvert::test;

struct Ends {
  explicit Ends(CipherSuite suite = CipherSuite::aes_128_gcm_sha256, bool small = false,
                std::uint64_t key_update_records = 1ULL << 23)
      : pair(tcp_pair(small)) {
    const Records::Options options{.engine = RecordEngine::userspace,
                                   .key_update_records = key_update_records};
    auto one =
        Records::create(pair.left, fixed_keys(suite, 1), fixed_keys(suite, 2), options, pool);
    auto two =
        Records::create(pair.right, fixed_keys(suite, 2), fixed_keys(suite, 1), options, pool);
    ENSURE(one.has_value() && two.has_value());
    left = std::move(*one);
    right = std::move(*two);
  }
  BufferHandle filled(const Bytes &text) {
    BufferHandle buffer = pool.take();
    const Records::Layout layout = left->layout();
    for (std::size_t done = 0, piece = 0; done < text.size(); ++piece) {
      const std::size_t size = std::min(layout.piece, text.size() - done);
      std::memcpy(buffer->bytes + layout.offset + piece * layout.stride, text.data() + done, size);
      done += size;
    }
    return buffer;
  }
  Flow send(const Bytes &text) {
    BufferHandle buffer = filled(text);
    return left->send_buffer(buffer, text.size());
  }
  // Everything next() has now; `runs` counts how many pieces it came in. False: it failed.
  bool drain(Records &records) {
    while (true) {
      const Incoming incoming = records.next();
      if (incoming.kind == Incoming::Kind::nothing) break;
      if (incoming.kind == Incoming::Kind::failed) return false;
      if (incoming.kind == Incoming::Kind::control) {
        controls.emplace_back(static_cast<std::uint8_t>(incoming.type));
        if (incoming.type == ContentType::handshake) ENSURE(records.renew_receive_key());
        order.push_back('c');
        continue;
      }
      order.push_back('d');
      runs += incoming.runs.size();
      for (const iovec &run : incoming.runs) {
        const auto *first = static_cast<const std::uint8_t *>(run.iov_base);
        got.insert(got.end(), first, first + run.iov_len);
      }
    }
    records.settle();
    return true;
  }
  // Reads from the socket until `size` bytes came, flushing the sender as it goes.
  bool receive(std::size_t size, std::size_t control_count = 0) {
    for (int i = 0; i < 100000; ++i) {
      if (got.size() >= size && controls.size() >= control_count) return true;
      if (left->unsent() && left->flush() == Flow::failed) return false;
      const auto fill = right->fill();
      if (fill == Records::Fill::failed || fill == Records::Fill::end_of_stream) return false;
      if (!drain(*right)) return false;
    }
    return false;
  }

  BufferPool pool;
  SocketPair pair;
  std::unique_ptr<Records> left, right;
  Bytes got, controls;
  std::string order;
  std::size_t runs = 0;
};

TEST_CASE("offload: every size from a byte to a full buffer, the same bytes, in all suites") {
  const auto suite = GENERATE(CipherSuite::aes_128_gcm_sha256, CipherSuite::aes_256_gcm_sha384,
                              CipherSuite::chacha20_poly1305_sha256);
  Ends ends(suite);
  Bytes sent;
  for (const std::size_t size : {1UL, 2UL, 15UL, 16UL, 17UL, 1400UL, 2047UL, 2048UL, 16383UL,
                                 16384UL, 16385UL, 32768UL, 100000UL, 262143UL, 262144UL}) {
    const Bytes text = pattern(size, static_cast<std::uint32_t>(size));
    REQUIRE(ends.send(text) != Flow::failed);
    sent.insert(sent.end(), text.begin(), text.end());
    REQUIRE(ends.receive(sent.size()));
    REQUIRE(ends.got == sent);
  }
  CHECK(ends.right->takes_slots());
  ends.left.reset();
  ends.right.reset();
  CHECK(ends.pool.taken() == 0);
}

TEST_CASE("offload: bytes fed one at a time, data and control appear exactly when whole") {
  Ends ends;
  Peer peer = make_peer(tcp_pair().left);  // its records only, its socket stays silent
  const Bytes records[] = {peer.sealed(23, bytes_of("hello")), peer.sealed(0xCC, Bytes{4}),
                           peer.sealed(23, bytes_of("!"))};
  std::vector<std::string> seen;
  for (const Bytes &record : records) {
    for (const std::uint8_t byte : record) {
      Bytes slot(Ring::headroom + 1 + Ring::tailroom);  // stays until settle()
      if (ends.left->takes_slots()) {
        slot[Ring::headroom] = byte;
        ends.left->feed(std::span(slot).subspan(Ring::headroom, 1));
      } else {
        write_all(ends.pair.right.get(), Bytes{byte});
        while (ends.left->fill() == Records::Fill::blocked)
          continue;
      }
      REQUIRE(ends.drain(*ends.left));
      seen.push_back(ends.order);
    }
  }
  CHECK(ends.got == bytes_of("hello!"));
  CHECK(ends.controls == Bytes{0xCC});
  CHECK(ends.order == "dcd");
  CHECK(seen[records[0].size() - 2].empty());
  CHECK(seen[records[0].size() - 1] == "d");
}

TEST_CASE("offload: many small records at once, given out in one run") {
  Ends ends;
  Peer peer = make_peer(tcp_pair().left);
  Bytes wire, sent;
  for (std::uint32_t i = 0; i < 100; ++i) {
    const Bytes text = pattern(50, i);
    const Bytes record = peer.sealed(23, text, i % 3);
    wire.insert(wire.end(), record.begin(), record.end());
    sent.insert(sent.end(), text.begin(), text.end());
  }
  ends.left->feed(wire);
  REQUIRE(ends.drain(*ends.left));
  CHECK(ends.got == sent);
  CHECK(ends.runs == 1);
  CHECK(ends.order == "d");
}

TEST_CASE("offload: control between data, kept in its place") {
  Ends ends;
  const Bytes message = {2};
  REQUIRE(ends.send(bytes_of("one")) == Flow::done);
  REQUIRE(ends.left->send_control(ContentType::control, message) == Flow::done);
  REQUIRE(ends.send(bytes_of("two")) == Flow::done);
  REQUIRE(ends.receive(6, 1));
  CHECK(ends.got == bytes_of("onetwo"));
  CHECK(ends.order == "dcd");
}

TEST_CASE("offload: the socket is full, nothing is lost and control waits behind the data") {
  Ends ends(CipherSuite::chacha20_poly1305_sha256, true);
  const Bytes text = pattern(262144);
  BufferHandle buffer = ends.filled(text);
  REQUIRE(ends.left->send_buffer(buffer, text.size()) == Flow::blocked);
  CHECK(buffer == nullptr);  // the records keep it
  CHECK(ends.left->unsent());
  const Bytes message = {4};
  CHECK(ends.left->send_control(ContentType::control, message) == Flow::blocked);
  CHECK(ends.left->send_control(ContentType::alert, Bytes{1, 0}) == Flow::blocked);
  REQUIRE(ends.receive(text.size(), 2));
  CHECK(ends.got == text);
  CHECK(ends.controls == Bytes{0xCC, 21});
  CHECK(ends.order.ends_with("dcc"));
  REQUIRE(ends.left->flush() == Flow::done);
  CHECK_FALSE(ends.left->unsent());
  ends.right.reset();
  CHECK(ends.pool.taken() == 0);
}

TEST_CASE("offload: a slot that does not fit, its rest is kept and goes out") {
  Ends ends(CipherSuite::aes_128_gcm_sha256, true);
  Bytes sent;
  Flow flow = Flow::done;
  for (std::uint32_t i = 0; flow == Flow::done && i < 1000; ++i) {
    const Bytes text = pattern(16384, i);
    Bytes slot(Ring::headroom + text.size() + Ring::tailroom);
    std::ranges::copy(text, slot.begin() + Ring::headroom);
    flow = ends.left->send_slot(std::span(slot).subspan(Ring::headroom, text.size()));
    sent.insert(sent.end(), text.begin(), text.end());
  }  // the slot is gone by now
  REQUIRE(flow == Flow::blocked);
  REQUIRE(ends.receive(sent.size()));
  CHECK(ends.got == sent);
}

TEST_CASE("offload: KeyUpdate every few records, in both directions, the bytes stay the same") {
  const auto suite = GENERATE(CipherSuite::aes_128_gcm_sha256, CipherSuite::aes_256_gcm_sha384);
  Ends ends(suite, false, 5);
  Bytes sent;
  std::size_t updates = 0;
  for (std::uint32_t i = 0; i < 100; ++i) {
    const Bytes text = pattern(1 + i * 191, i);
    REQUIRE(ends.send(text) != Flow::failed);
    sent.insert(sent.end(), text.begin(), text.end());
    if (ends.left->send_key_worn()) {
      REQUIRE(ends.left->renew_send_key(false) == Records::Renewal::done);
      CHECK_FALSE(ends.left->send_key_worn());
      ++updates;
    }
    REQUIRE(ends.receive(sent.size(), updates));
  }
  CHECK(ends.got == sent);
  CHECK(updates >= 20);
  CHECK(ends.controls.size() == updates);
  std::swap(ends.left, ends.right);  // the other direction has its own key
  ends.got.clear();
  REQUIRE(ends.send(bytes_of("back")) == Flow::done);
  REQUIRE(ends.left->renew_send_key(true) == Records::Renewal::done);
  REQUIRE(ends.send(bytes_of("and again")) == Flow::done);
  REQUIRE(ends.receive(13, updates + 1));
  CHECK(ends.got == bytes_of("backand again"));
}

TEST_CASE("offload: KeyUpdate while the socket is full, queued under the old key") {
  Ends ends(CipherSuite::aes_128_gcm_sha256, true);
  const Bytes text = pattern(200000);
  REQUIRE(ends.send(text) == Flow::blocked);
  REQUIRE(ends.left->renew_send_key(false) == Records::Renewal::done);
  CHECK(ends.left->send_control(ContentType::control, Bytes{4}) == Flow::blocked);
  REQUIRE(ends.receive(text.size(), 2));
  CHECK(ends.got == text);
  CHECK(ends.controls == Bytes{22, 0xCC});
}

}  // namespace
