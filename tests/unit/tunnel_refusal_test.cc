// SPDX-License-Identifier: Apache-2.0
// Every way in which a peer can be irregular, and the refusal it gets (docs/wire.md).
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>

#include "support/data_path.h"

namespace {

using namespace culvert;
using namespace culvert::test;

// One tunnel and a peer by hand. Whatever ends the tunnel, the peer must see a reset and no bytes.
struct Scene {
  explicit Scene(const TunnelOptions &options = {}) : Scene(tcp_pair(), options) {}
  Scene(SocketPair pair, const TunnelOptions &options)
      : peer(make_peer(std::move(pair.right))),
        tunnel(make_tunnel(place, std::move(pair.left), 0, options)) {
    tunnel->set_user(&user);
    tunnel->resume();
  }
  ~Scene() {
    if (tunnel != nullptr) Tunnel::close(std::move(tunnel), Tunnel::Close::reset);
  }
  void expect_closed(Refusal refusal) {
    REQUIRE(place.turn_until([this] { return !user.closed.empty(); }));
    CHECK(name(user.closed[0]) == name(refusal));
    place.turn_for(std::chrono::milliseconds(5));
    CHECK(user.closed.size() == 1);  // the last callback, once
  }
  void expect_reset_on_the_wire() {
    Tunnel::close(std::move(tunnel), Tunnel::Close::reset);
    place.turn_for(std::chrono::milliseconds(10));
    CHECK(read_end(peer.fd()) == ECONNRESET);
  }
  Listener user;
  Place place;
  Peer peer;
  std::unique_ptr<Tunnel> tunnel;
};

TEST_CASE("tunnel: an irregular control message, protocol and a reset") {
  for (const Bytes &message : {Bytes{}, Bytes{0}, Bytes{9}, Bytes{1}, Bytes{1, 2, 3, 4},
                               Bytes{2, 2}, Bytes{3}, Bytes{4, 4}}) {
    Scene scene;
    scene.peer.send(0xCC, message);
    scene.expect_closed(Refusal::protocol);
    CHECK(scene.user.messages.empty());
    scene.expect_reset_on_the_wire();
  }
}

TEST_CASE("tunnel: a content type that is none of ours, protocol") {
  for (const std::uint8_t type : Bytes{20, 24, 1, 0xCD, 255}) {
    Scene scene;
    scene.peer.send(type, Bytes{1, 0});
    scene.expect_closed(Refusal::protocol);
    CHECK(scene.user.data.empty());
  }
}

TEST_CASE("tunnel: a handshake message that is neither ticket nor KeyUpdate, protocol") {
  const Bytes irregular[] = {{},                    // empty
                             {1, 0, 0, 0},          // ClientHello
                             {20, 0, 0, 0},         // Finished
                             {24, 0, 0, 1, 2},      // KeyUpdate, neither 0 nor 1
                             {24, 0, 0, 1},         // KeyUpdate, cut
                             {24, 0, 0, 1, 0, 24, 0, 0, 1, 0}};  // two in one record
  for (const Bytes &message : irregular) {
    Scene scene;
    scene.peer.send(22, message);
    scene.expect_closed(Refusal::protocol);
  }
}

TEST_CASE("tunnel: an alert other than close_notify, peer_alert; one of a wrong length, protocol") {
  Scene fatal;
  fatal.peer.send(21, Bytes{2, 40});
  fatal.expect_closed(Refusal::peer_alert);
  Scene cut;
  cut.peer.send(21, Bytes{1});
  cut.expect_closed(Refusal::protocol);
}

TEST_CASE("tunnel: FIN without close_notify, truncated, behind whole records or in one") {
  Scene idle;
  idle.peer.hang_up();
  idle.expect_closed(Refusal::truncated);
  Scene behind;
  behind.peer.send_data("hello");
  behind.peer.hang_up();
  behind.expect_closed(Refusal::truncated);
  CHECK(behind.user.data == bytes_of("hello"));
  Scene inside;
  Bytes record = inside.peer.sealed(23, bytes_of("hello"));
  record.resize(record.size() - 3);
  write_all(inside.peer.fd(), record);
  inside.place.turn_for(std::chrono::milliseconds(5));
  inside.peer.hang_up();
  inside.expect_closed(Refusal::truncated);
  CHECK(inside.user.data.empty());
}

TEST_CASE("tunnel: RST, peer_reset, also while paused") {
  Scene scene;
  scene.place.turn_for(std::chrono::milliseconds(5));
  scene.peer.reset();
  scene.expect_closed(Refusal::peer_reset);
  Scene paused;
  paused.user.pausing = true;
  paused.peer.send_data("hello");
  REQUIRE(paused.place.turn_until([&] { return !paused.user.data.empty(); }));
  paused.peer.reset();
  paused.expect_closed(Refusal::peer_reset);
}

TEST_CASE("tunnel: a peer that reads nothing but answers probes of its window is not silent") {
  Scene scene;
  Bytes slot(16128, 7);
  Flow flow = Flow::done;
  while (flow == Flow::done)
    flow = scene.tunnel->send_slot(std::span(slot).subspan(64, 16000));
  REQUIRE(flow == Flow::blocked);
  scene.place.turn_for(std::chrono::seconds(1));  // twenty times what a silent peer is given
  CHECK(scene.user.closed.empty());
}

TEST_CASE("tunnel: a record whose tag is wrong, record_invalid and a reset") {
  Scene scene;
  Bytes record = scene.peer.sealed(23, bytes_of("secret"));
  record.back() ^= 1;
  write_all(scene.peer.fd(), record);
  scene.expect_closed(Refusal::record_invalid);
  CHECK(scene.user.data.empty());
  scene.expect_reset_on_the_wire();
}

TEST_CASE("tunnel: plaintext in the middle, record_invalid") {
  Scene scene;
  write_all(scene.peer.fd(), bytes_of("GET / HTTP/1.1\r\n\r\n"));
  scene.expect_closed(Refusal::record_invalid);
}

TEST_CASE("tunnel: a bare peer sends a control message, protocol") {
  Scene scene({.bare = true});
  scene.peer.send_message({4});
  scene.expect_closed(Refusal::protocol);
}

TEST_CASE("tunnel: a bare peer goes on behind its close_notify, protocol") {
  for (const std::uint8_t type : Bytes{23, 21}) {
    Scene scene({.bare = true});
    Bytes wire = scene.peer.sealed(21, Bytes{1, 0});
    const Bytes more = scene.peer.sealed(type, Bytes{1, 0});
    wire.insert(wire.end(), more.begin(), more.end());
    write_all(scene.peer.fd(), wire);
    scene.expect_closed(Refusal::protocol);
    CHECK(scene.user.data.empty());
  }
}

TEST_CASE("tunnel: close_notify, the end with nothing wrong") {
  Scene scene;
  scene.peer.send(21, Bytes{1, 0});
  scene.expect_closed(Refusal::none);
}

TEST_CASE("tunnel: nothing is said to the user behind what ended it") {
  Scene scene;
  Bytes wire = scene.peer.sealed(0xCC, Bytes{9});
  const Bytes more = scene.peer.sealed(23, bytes_of("late"));
  wire.insert(wire.end(), more.begin(), more.end());
  write_all(scene.peer.fd(), wire);
  scene.expect_closed(Refusal::protocol);
  CHECK(scene.user.data.empty());
  const ControlMessage end{.kind = ControlMessage::Kind::end};
  CHECK(scene.tunnel->send(end) == Flow::failed);
}

}  // namespace
