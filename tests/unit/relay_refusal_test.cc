// SPDX-License-Identifier: Apache-2.0
// Every end of a connection that is not clean: what each side sees, and that nobody sees a clean
// one.
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "relay_ends.h"

namespace {

using namespace culvert;
using namespace culvert::test;

void reset(UniqueFd &fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ENSURE(::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
  fd.reset();
}

TEST_CASE("relay: data before OPENED, protocol and both sides are reset") {
  HalfWithPeer scene(false);
  scene.peer.send_data("early");
  scene.expect_over(Refusal::protocol);
  CHECK(read_end(scene.half.application.get()) == ECONNRESET);
  CHECK(read_end(scene.peer.fd()) == ECONNRESET);
}

TEST_CASE("relay: END before OPENED, protocol") {
  HalfWithPeer scene(false);
  scene.peer.send_message({4});
  scene.expect_over(Refusal::protocol);
  CHECK(read_end(scene.half.application.get()) == ECONNRESET);
}

TEST_CASE("relay: END twice or data behind END, protocol") {
  for (const bool data : {false, true}) {
    HalfWithPeer scene;
    scene.peer.send_message({4});
    if (data) {
      scene.peer.send_data("late");
    } else {
      scene.peer.send_message({4});
    }
    scene.expect_over(Refusal::protocol);
  }
}

TEST_CASE("relay: a message that is not END, handed to the owner and no byte moves") {
  HalfWithPeer scene;
  scene.peer.send_message({1, 0, 80});
  REQUIRE(scene.half.place.turn_until([&] { return scene.half.messages.size() == 1; }));
  CHECK(scene.half.messages[0].kind == ControlMessage::Kind::open);
  CHECK(scene.half.outcomes.empty());
}

TEST_CASE(
    "relay: close_notify in the middle of a connection, truncated and the application reset") {
  HalfWithPeer scene;
  scene.peer.send_data("half a page");
  scene.peer.send(21, Bytes{1, 0});
  scene.expect_over(Refusal::truncated);
  CHECK(scene.half.down_bytes == 11);
}

TEST_CASE("relay: FIN of the tunnel without END, truncated and the application reset") {
  HalfWithPeer scene;
  scene.peer.hang_up();
  scene.expect_over(Refusal::truncated);
  CHECK(read_end(scene.half.application.get()) == ECONNRESET);
}

TEST_CASE("relay: RST of the tunnel, the application reset") {
  HalfWithPeer scene;
  scene.peer.reset();
  scene.expect_over(Refusal::peer_reset);
  CHECK(read_end(scene.half.application.get()) == ECONNRESET);
}

TEST_CASE("relay: a record that does not open, the application reset and gets none of it") {
  HalfWithPeer scene;
  Bytes record = scene.peer.sealed(23, bytes_of("secret"));
  record.back() ^= 1;
  write_all(scene.peer.fd(), record);
  scene.expect_over(Refusal::record_invalid);
  CHECK(read_end(scene.half.application.get()) == ECONNRESET);
}

TEST_CASE("relay: an application resets, the other application is reset, both ways") {
  for (const bool from_client : {true, false}) {
    Path path;
    Half &here = from_client ? path.client : path.server;
    Half &there = from_client ? path.server : path.client;
    write_all(here.application.get(), bytes_of("x"));
    REQUIRE(path.turn_until([&] { return there.relay->down_bytes() == 1; }));
    CHECK(read_exactly(there.application.get(), 1) == bytes_of("x"));
    reset(here.application);
    REQUIRE(
        path.turn_until([&] { return here.outcomes.size() == 1 && there.outcomes.size() == 1; }));
    CHECK(name(here.outcomes[0].refusal) == name(Refusal::application_reset));
    CHECK(name(there.outcomes[0].refusal) == name(Refusal::peer_reset));
    path.turn_for(std::chrono::milliseconds(5));
    CHECK(read_end(there.application.get()) == ECONNRESET);
  }
}

TEST_CASE("relay: an application resets behind its half-close, the other application is reset") {
  Path path;
  ::shutdown(path.client.application.get(), SHUT_WR);
  REQUIRE(path.turn_until([&] { return at_end(path.server.application.get()); }));
  reset(path.client.application);
  write_all(path.server.application.get(), pattern(100000));
  REQUIRE(path.turn_until(
      [&] { return path.client.outcomes.size() == 1 && path.server.outcomes.size() == 1; }));
  CHECK(name(path.client.outcomes[0].refusal) == name(Refusal::application_reset));
}

TEST_CASE("relay: an application resets while the tunnel towards its reader is full, noticed") {
  Path path(true);
  // The server's application does not read: everything on the way fills up.
  path.turn_for(std::chrono::milliseconds(10));
  for (int i = 0; i < 200; ++i) {
    (void)stuff(path.client.application.get());
    path.turn_for(std::chrono::milliseconds(1));
  }
  REQUIRE(stuff(path.client.application.get()) == 0);
  reset(path.client.application);
  REQUIRE(path.turn_until([&] { return path.client.outcomes.size() == 1; }));
  CHECK(name(path.client.outcomes[0].refusal) == name(Refusal::application_reset));
  CHECK(path.turn_until([&] { return path.server.outcomes.size() == 1; }));
}

TEST_CASE("relay: data while the tunnel holds back an answer of its own, nothing is lost") {
  // The peer asks for a KeyUpdate while our socket is full; then the application speaks.
  HalfWithPeer scene(tcp_pair(true), true, {});
  scene.half.place.turn_for(std::chrono::milliseconds(5));
  scene.peer.send(22, Bytes{24, 0, 0, 1, 1});
  std::size_t stuffed = 0;
  for (std::size_t last = 1; last > 0; stuffed += last) {  // longer than a delayed ACK
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    last = stuff(scene.half.tunnel->socket());
  }
  REQUIRE(scene.half.place.turn_until(
      [&] { return scene.half.place.counters.key_updates_received.get() == 1; }));
  REQUIRE(scene.half.tunnel->records().unsent());
  write_all(scene.half.application.get(), bytes_of("hello"));
  scene.half.place.turn_for(std::chrono::milliseconds(20));
  CHECK(read_exactly(scene.peer.fd(), stuffed).size() == stuffed);
  scene.half.place.turn_for(std::chrono::milliseconds(50));
  const auto answer = scene.peer.receive();
  REQUIRE(answer.has_value());
  CHECK(answer->type == 22);
  scene.peer.renew_receive_key();
  const auto data = scene.peer.receive();
  REQUIRE(data.has_value());
  CHECK(data->content == bytes_of("hello"));
}

}  // namespace
