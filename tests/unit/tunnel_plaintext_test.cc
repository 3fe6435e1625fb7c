// SPDX-License-Identifier: Apache-2.0
// A connection without TLS as a tunnel: the bytes as they are, FIN is the end.
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>

#include "support/data_path.h"

namespace {

using namespace culvert;
using namespace culvert::test;
using Kind = ControlMessage::Kind;

struct Scene {
  Scene() : Scene(tcp_pair(true)) {}
  explicit Scene(SocketPair pair) : peer(std::move(pair.right)) {
    auto facts = std::make_shared<TunnelFacts>();
    facts->bare = facts->plaintext = true;
    auto records = Records::plaintext(pair.left, place.buffers);
    tunnel = std::make_unique<Tunnel>(*place.ring, place.silence_timers, place.counters,
                                      Tunnel::Parts{.socket = std::move(pair.left),
                                                    .records = std::move(records),
                                                    .facts = std::move(facts),
                                                    .tickets = nullptr});
    tunnel->set_user(&user);
    tunnel->resume();
  }
  ~Scene() {
    if (tunnel) Tunnel::close(std::move(tunnel), Tunnel::Close::reset);
  }
  Flow send(std::span<const std::uint8_t> text) {
    Bytes slot(Ring::headroom + text.size() + Ring::tailroom);
    std::ranges::copy(text, slot.begin() + Ring::headroom);
    return tunnel->send_slot(std::span(slot).subspan(Ring::headroom, text.size()));
  }
  Listener user;
  Place place;
  UniqueFd peer;
  std::unique_ptr<Tunnel> tunnel;
};

TEST_CASE("plaintext: bytes both ways as they are, then FIN both ways") {
  Scene scene;
  write_all(scene.peer.get(), bytes_of("hello"));
  REQUIRE(scene.place.turn_until([&] { return scene.user.data == bytes_of("hello"); }));
  REQUIRE(scene.send(bytes_of("there")) == Flow::done);
  CHECK(read_exactly(scene.peer.get(), 5) == bytes_of("there"));
  REQUIRE(scene.tunnel->send({.kind = Kind::end}) == Flow::done);
  CHECK(read_end(scene.peer.get()) == 0);
  write_all(scene.peer.get(), bytes_of("more"));
  REQUIRE(::shutdown(scene.peer.get(), SHUT_WR) == 0);
  REQUIRE(scene.place.turn_until([&] { return !scene.user.messages.empty(); }));
  CHECK(scene.user.data == bytes_of("hellomore"));
  CHECK(scene.user.messages[0].kind == Kind::end);
  CHECK(scene.user.closed.empty());
}

TEST_CASE("plaintext: paused, nothing more comes and nothing is lost") {
  Scene scene(tcp_pair());
  scene.user.pausing = true;
  const Bytes sent = pattern(60000, 3);
  write_all(scene.peer.get(), std::span(sent).first(20000));
  REQUIRE(scene.place.turn_until([&] { return !scene.user.data.empty(); }));
  const std::size_t before = scene.user.data.size();
  write_all(scene.peer.get(), std::span(sent).subspan(20000));
  scene.place.turn_for(std::chrono::milliseconds(20));
  CHECK(scene.user.data.size() == before);
  scene.user.pausing = false;
  scene.tunnel->resume();
  REQUIRE(scene.place.turn_until([&] { return scene.user.data.size() == sent.size(); }));
  CHECK(scene.user.data == sent);
}

TEST_CASE("plaintext: a peer that reads late gets all of it, and the end behind it") {
  Scene scene;
  const Bytes part = pattern(16000, 5);
  std::size_t sent = 0;
  Flow flow = Flow::done;
  for (; flow == Flow::done; sent += part.size())
    flow = scene.send(part);
  REQUIRE(flow == Flow::blocked);
  CHECK(scene.tunnel->send({.kind = Kind::end}) == Flow::blocked);
  std::size_t got = 0;
  Bytes into(1 << 16);
  REQUIRE(scene.place.turn_until([&] {
    const ssize_t n = ::recv(scene.peer.get(), into.data(), into.size(), MSG_DONTWAIT);
    if (n > 0) got += static_cast<std::size_t>(n);
    return n == 0;
  }));
  CHECK(got == sent);
}

TEST_CASE("plaintext: RST is peer_reset") {
  Scene scene;
  const linger reset{.l_onoff = 1, .l_linger = 0};
  REQUIRE(setsockopt(scene.peer.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
  scene.peer.reset();
  REQUIRE(scene.place.turn_until([&] { return !scene.user.closed.empty(); }));
  CHECK(name(scene.user.closed[0]) == name(Refusal::peer_reset));
}

}  // namespace
