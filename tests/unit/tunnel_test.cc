// SPDX-License-Identifier: Apache-2.0
// What a regular tunnel does.
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstring>
#include <thread>

#include "support/data_path.h"

namespace {

using namespace culvert;
using namespace culvert::test;
using Kind = ControlMessage::Kind;

struct Pair {
  explicit Pair(const TunnelOptions &options = {}, bool small = false)
      : Pair(tcp_pair(small), options) {}
  Pair(SocketPair sockets, const TunnelOptions &options)
      : left(make_tunnel(place, std::move(sockets.left), 0, options)),
        right(make_tunnel(place, std::move(sockets.right), 1, options)) {
    left->set_user(&left_user);
    right->set_user(&right_user);
    left->resume();
    right->resume();
  }
  ~Pair() {
    if (left) Tunnel::close(std::move(left), Tunnel::Close::reset);
    if (right) Tunnel::close(std::move(right), Tunnel::Close::reset);
  }
  Flow send(std::span<const std::uint8_t> text) {
    Bytes slot(Ring::headroom + text.size() + Ring::tailroom);
    std::ranges::copy(text, slot.begin() + Ring::headroom);
    return left->send_slot(std::span(slot).subspan(Ring::headroom, text.size()));
  }
  Listener left_user, right_user;
  Place place;
  std::unique_ptr<Tunnel> left, right;
};

TEST_CASE("tunnel: messages and data, arrive in order") {
  Pair pair;
  REQUIRE(pair.left->send({.kind = Kind::open, .client_port = 4321}) == Flow::done);
  REQUIRE(pair.send(bytes_of("hello")) == Flow::done);
  REQUIRE(pair.left->send({.kind = Kind::end}) == Flow::done);
  REQUIRE(pair.place.turn_until([&] { return pair.right_user.messages.size() == 2; }));
  CHECK(pair.right_user.messages[0].client_port == 4321);
  CHECK(pair.right_user.messages[1].kind == Kind::end);
  CHECK(pair.right_user.data == bytes_of("hello"));
  CHECK(pair.right_user.closed.empty());
}

TEST_CASE("tunnel: paused with data in flight, not one byte more comes and none is lost") {
  Pair pair;
  pair.right_user.pausing = true;
  Bytes sent;
  for (std::uint32_t i = 0; i < 300; ++i) {
    const Bytes part = pattern(1 + i * 13 % 5000, i);
    REQUIRE(pair.send(part) == Flow::done);
    sent.insert(sent.end(), part.begin(), part.end());
    if (i % 7 == 0) pair.place.turn_for(std::chrono::milliseconds(1));
  }
  pair.place.turn_for(std::chrono::milliseconds(20));
  CHECK(pair.right_user.calls == 1);
  while (pair.right_user.data.size() < sent.size()) {
    const int calls = pair.right_user.calls;
    pair.right->resume();
    REQUIRE(pair.place.turn_until([&] { return pair.right_user.calls > calls; }));
    CHECK(pair.right_user.calls == calls + 1);
  }
  CHECK(pair.right_user.data == sent);
}

TEST_CASE("tunnel: pause() while a wait is in flight, what arrives is kept for resume()") {
  Pair pair;
  pair.place.turn_for(std::chrono::milliseconds(5));
  pair.right->pause();
  REQUIRE(pair.send(bytes_of("kept")) == Flow::done);
  pair.place.turn_for(std::chrono::milliseconds(20));
  CHECK(pair.right_user.data.empty());
  REQUIRE(pair.send(bytes_of(" too")) == Flow::done);
  pair.right->resume();
  REQUIRE(pair.place.turn_until([&] { return pair.right_user.data.size() == 8; }));
  CHECK(pair.right_user.data == bytes_of("kept too"));
}

TEST_CASE("tunnel: the socket is full, blocked, then writable once and everything is there") {
  Pair pair({}, true);
  const Bytes text = pattern(262144);
  BufferHandle buffer = pair.place.buffers.take();
  const auto layout = pair.left->records().layout();
  for (std::size_t i = 0; i < 16; ++i) {
    std::memcpy(buffer->bytes + layout.offset + i * layout.stride, text.data() + i * layout.piece,
                layout.piece);
  }
  REQUIRE(pair.left->send_buffer(buffer, text.size()) == Flow::blocked);
  CHECK(pair.left->blocked());
  CHECK(pair.left->send({.kind = Kind::end}) == Flow::blocked);
  REQUIRE(pair.place.turn_until([&] { return pair.left_user.writable > 0; }));
  REQUIRE(pair.place.turn_until([&] { return pair.right_user.messages.size() == 1; }));
  CHECK(pair.left_user.writable == 1);
  CHECK(pair.right_user.data == text);
}

TEST_CASE("tunnel: a worn key, both sides renew it and the bytes stay the same") {
  Pair pair({.key_update_records = 4});
  Bytes sent;
  for (std::uint32_t i = 0; i < 60; ++i) {
    const Bytes part = pattern(1 + i * 97, i);
    REQUIRE(pair.send(part) == Flow::done);
    sent.insert(sent.end(), part.begin(), part.end());
  }
  REQUIRE(pair.place.turn_until([&] { return pair.right_user.data.size() == sent.size(); }));
  CHECK(pair.right_user.data == sent);
  CHECK(pair.place.counters.key_updates_sent.get() >= 15);
  CHECK(pair.place.counters.key_updates_received.get() ==
        pair.place.counters.key_updates_sent.get());
}

struct WithPeer {
  explicit WithPeer(const TunnelOptions &options = {}, bool small = false)
      : WithPeer(tcp_pair(small), options) {}
  WithPeer(SocketPair sockets, const TunnelOptions &options)
      : peer(make_peer(std::move(sockets.right))),
        tunnel(make_tunnel(place, std::move(sockets.left), 0, options)) {
    tunnel->set_user(&user);
    tunnel->resume();
  }
  ~WithPeer() {
    if (tunnel) Tunnel::close(std::move(tunnel), Tunnel::Close::reset);
  }
  Listener user;
  Place place;
  Peer peer;
  std::unique_ptr<Tunnel> tunnel;
};

TEST_CASE("tunnel: the peer asks for a KeyUpdate, answered before the next data") {
  WithPeer scene;
  scene.peer.send(22, Bytes{24, 0, 0, 1, 1});
  scene.peer.renew_send_key();
  scene.peer.send_data("under the new key");
  REQUIRE(scene.place.turn_until([&] { return !scene.user.data.empty(); }));
  CHECK(scene.user.data == bytes_of("under the new key"));
  REQUIRE(scene.tunnel->send({.kind = Kind::end}) == Flow::done);
  const auto answer = scene.peer.receive();
  REQUIRE(answer.has_value());
  CHECK(answer->type == 22);
  CHECK(answer->content == Bytes{24, 0, 0, 1, 0});
  scene.peer.renew_receive_key();
  const auto end = scene.peer.receive();
  REQUIRE(end.has_value());
  CHECK(end->type == 0xCC);
  CHECK(end->content == Bytes{4});
}

// Fills the tunnel's socket for good: longer than a delayed ACK.
std::size_t fill_up(int fd) {
  std::size_t all = 0;
  for (std::size_t last = 1; last > 0; all += last) {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    last = stuff(fd);
  }
  return all;
}

TEST_CASE("tunnel: the peer asks for KeyUpdates and reads nothing, a bounded number of answers") {
  WithPeer scene({}, true);
  (void)fill_up(scene.tunnel->socket());
  constexpr std::uint64_t requests = 2000;
  for (std::uint64_t i = 1; i <= requests; ++i) {
    scene.peer.send(22, Bytes{24, 0, 0, 1, 1});
    scene.peer.renew_send_key();
    if (i % 20 != 0) continue;
    REQUIRE(scene.place.turn_until(
        [&] { return scene.place.counters.key_updates_received.get() == i; }));
  }
  CHECK(scene.place.counters.key_updates_sent.get() >= 1);
  CHECK(scene.place.counters.key_updates_sent.get() < 100);
  CHECK(scene.user.closed.empty());
}

TEST_CASE("tunnel: a KeyUpdate is asked for behind our close_notify, nothing follows it") {
  WithPeer scene({.bare = true}, true);
  const std::size_t filled = fill_up(scene.tunnel->socket());
  REQUIRE(scene.tunnel->send({.kind = Kind::end}) == Flow::blocked);
  scene.peer.send(22, Bytes{24, 0, 0, 1, 1});
  REQUIRE(
      scene.place.turn_until([&] { return scene.place.counters.key_updates_received.get() == 1; }));
  CHECK(read_exactly(scene.peer.fd(), filled).size() == filled);
  REQUIRE(scene.place.turn_until([&] { return !scene.tunnel->records().unsent(); }));
  const auto alert = scene.peer.receive();
  REQUIRE(alert.has_value());
  CHECK(alert->type == 21);
  CHECK(read_end(scene.peer.fd()) == 0);
}

TEST_CASE("tunnel: the peer tells its KeyUpdate and asks for none, no answer") {
  WithPeer scene;
  scene.peer.send(22, Bytes{24, 0, 0, 1, 0});
  scene.peer.renew_send_key();
  scene.peer.send_data("x");
  REQUIRE(scene.place.turn_until([&] { return !scene.user.data.empty(); }));
  CHECK(read_some(scene.peer.fd()).empty());
  CHECK(scene.place.counters.key_updates_received.get() == 1);
}

TEST_CASE("tunnel: tickets on a tunnel that keeps none, ignored") {
  WithPeer scene;
  const Bytes ticket = {4, 0, 0, 14, 0, 0, 0, 60, 0, 0, 0, 0, 1, 9, 0, 1, 7, 0};
  scene.peer.send(22, ticket);
  scene.peer.send_data("x");
  REQUIRE(scene.place.turn_until([&] { return !scene.user.data.empty(); }));
  CHECK(scene.user.closed.empty());
}

TEST_CASE("tunnel: towards a bare peer END is close_notify and FIN, and it may still answer") {
  WithPeer scene({.bare = true});
  REQUIRE(scene.tunnel->send({.kind = Kind::end}) == Flow::done);
  const auto alert = scene.peer.receive();
  REQUIRE(alert.has_value());
  CHECK(alert->type == 21);
  CHECK(alert->content == Bytes{1, 0});
  CHECK(read_end(scene.peer.fd()) == 0);
  scene.peer.send_data("answer");
  scene.peer.send(21, Bytes{1, 0});
  scene.peer.hang_up();
  REQUIRE(scene.place.turn_until([&] { return scene.user.messages.size() == 1; }));
  scene.place.turn_for(std::chrono::milliseconds(10));
  CHECK(scene.user.data == bytes_of("answer"));
  CHECK(scene.user.messages[0].kind == Kind::end);
  CHECK(scene.user.closed.empty());
}

TEST_CASE("tunnel: closed clean, the peer sees close_notify and FIN") {
  WithPeer scene;
  Tunnel::close(std::move(scene.tunnel), Tunnel::Close::clean);
  scene.place.turn_for(std::chrono::milliseconds(10));
  const auto alert = scene.peer.receive();
  REQUIRE(alert.has_value());
  CHECK(alert->type == 21);
  CHECK(read_end(scene.peer.fd()) == 0);
}

}  // namespace
