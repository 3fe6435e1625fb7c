// SPDX-License-Identifier: Apache-2.0
// The pool of idle tunnels, with real tunnels over loopback and the other ends in our hands.
#include "culvert/pool.h"

#include <catch2/catch_test_macros.hpp>

#include "support/data_path.h"

namespace {

using namespace culvert;
using namespace culvert::test;
using namespace std::chrono_literals;

const TunnelPool::Key key{.source = 7, .destination = {Ip::loopback_v4(), 80}};
const TunnelPool::Key other_key{.source = 8, .destination = {Ip::loopback_v4(), 80}};

// A TlsIdentity is only ever compared by its address here.
std::shared_ptr<const TlsIdentity> identity_at(int &place) {
  return {std::shared_ptr<void>(), reinterpret_cast<const TlsIdentity *>(&place)};
}

struct Scene {
  explicit Scene(std::size_t key_max = 3, std::size_t total_max = 4) : limits_{} {
    limits_.key_max = key_max;
    limits_.total_max = total_max;
    limits_.idle_timeout = 1h;
    limits_.age_max = 2h;
    pool.emplace(*place.ring, place.counters, limits_);
  }
  ~Scene() { pool->clear(); }
  // Puts a tunnel; its number is the index of its peer.
  std::size_t put(const TunnelPool::Key &at = key, Clock::duration age = {},
                  const TunnelOptions &options = {}) {
    auto pair = tcp_pair();
    auto tunnel = make_tunnel(place, std::move(pair.left), 0, options);
    tunnels.push_back(tunnel.get());
    peers.push_back(make_peer(std::move(pair.right)));
    pool->put(at, {.tunnel = std::move(tunnel), .identity = mine, .born = place.ring->now() - age});
    return peers.size() - 1;
  }
  // The number of the tunnel taken, which is closed; nullopt: none.
  std::optional<std::size_t> take(const TunnelPool::Key &at = key) {
    return finish(pool->take(at, mine.get(), facts()->peer));
  }
  std::optional<std::size_t> finish(std::optional<TunnelPool::Idle> idle) {
    if (!idle) return std::nullopt;
    const auto found = std::ranges::find(tunnels, idle->tunnel.get());
    Tunnel::close(std::move(idle->tunnel), Tunnel::Close::reset);
    return static_cast<std::size_t>(found - tunnels.begin());
  }
  std::uint64_t idle() const { return place.counters.tunnels_idle.get(); }
  bool ended_clean(std::size_t number) {
    place.turn_for(5ms);
    const auto alert = peers[number].receive();
    return alert && alert->type == 21 && read_end(peers[number].fd()) == 0;
  }

  TunnelPool::Limits limits_;
  int mine_at = 0, other_at = 0;
  std::shared_ptr<const TlsIdentity> mine = identity_at(mine_at), other = identity_at(other_at);
  Place place;
  std::vector<Tunnel *> tunnels;
  std::vector<Peer> peers;
  std::optional<TunnelPool> pool;
};

TEST_CASE("pool: nothing was put, or under another key, nothing to take") {
  Scene scene;
  CHECK_FALSE(scene.take().has_value());
  scene.put(other_key);
  CHECK_FALSE(scene.take().has_value());
  CHECK(scene.take(other_key) == 0);
}

TEST_CASE("pool: made with another identity, closed and not given out") {
  Scene scene;
  const auto number = scene.put();
  CHECK_FALSE(scene.pool->take(key, scene.other.get(), facts()->peer).has_value());
  CHECK(scene.idle() == 0);
  CHECK(scene.ended_clean(number));
}

TEST_CASE("pool: made towards another peer, closed and not given out") {
  Scene scene;
  const auto number = scene.put();
  const SpiffeId stranger = *SpiffeId::workload("cluster.local", "shop", "stranger");
  CHECK_FALSE(scene.pool->take(key, scene.mine.get(), stranger).has_value());
  CHECK(scene.idle() == 0);
  CHECK(scene.ended_clean(number));
}

TEST_CASE("pool: beyond the limit of a key or of all, closed instead of kept") {
  Scene scene(3, 4);
  for (int i = 0; i < 3; ++i)
    scene.put();
  const auto fourth = scene.put();
  CHECK(scene.idle() == 3);
  CHECK(scene.ended_clean(fourth));
  scene.put(other_key);
  const auto beyond_all = scene.put(other_key);
  CHECK(scene.idle() == 4);
  CHECK(scene.ended_clean(beyond_all));
}

TEST_CASE("pool: reuse switched off, every tunnel is closed") {
  Scene scene(0);
  CHECK_FALSE(scene.pool->enabled());
  const auto number = scene.put();
  CHECK(scene.idle() == 0);
  CHECK(scene.ended_clean(number));
}

TEST_CASE("pool: too old or with a worn key, closed instead of kept") {
  Scene scene;
  CHECK(scene.ended_clean(scene.put(key, 3h)));
  CHECK(scene.ended_clean(scene.put(key, {}, {.key_update_records = 1})));
  CHECK(scene.idle() == 0);
}

TEST_CASE("pool: idle too long, closed clean; the others stay") {
  Scene scene;
  const auto number = scene.put();
  REQUIRE(scene.pool->next().has_value());
  scene.pool->run_timers(*scene.pool->next() - 1ms);
  CHECK(scene.idle() == 1);
  const auto due = *scene.pool->next();
  scene.place.turn_for(5ms);
  scene.put();
  scene.pool->run_timers(due);
  CHECK(scene.idle() == 1);
  CHECK(scene.ended_clean(number));
  CHECK(scene.take() == 1);
  CHECK_FALSE(scene.pool->next().has_value());
}

TEST_CASE("pool: anything arrives on an idle tunnel, it is over") {
  const std::function<void(Peer &)> arrivals[] = {
      [](Peer &peer) { peer.send_data("x"); },
      [](Peer &peer) { peer.send_message({4}); },
      [](Peer &peer) { peer.send_message({2}); },
      [](Peer &peer) { peer.send_message({9}); },
      [](Peer &peer) { peer.send(21, Bytes{1, 0}); },
      [](Peer &peer) { peer.send(21, Bytes{2, 40}); },
      [](Peer &peer) { write_all(peer.fd(), bytes_of("plain text, no record")); },
      [](Peer &peer) { peer.hang_up(); },
      [](Peer &peer) { peer.reset(); },
  };
  for (const auto &arrive : arrivals) {
    Scene scene;
    const auto number = scene.put();
    scene.put();
    arrive(scene.peers[number]);
    REQUIRE(scene.place.turn_until([&] { return scene.idle() == 1; }));
    CHECK(scene.take() == 1);  // the other one is not touched
    CHECK_FALSE(scene.take().has_value());
  }
}

TEST_CASE("pool: data arrived while idle, the peer is reset") {
  Scene scene;
  const auto number = scene.put();
  scene.peers[number].send_data("x");
  REQUIRE(scene.place.turn_until([&] { return scene.idle() == 0; }));
  scene.place.turn_for(5ms);
  CHECK(read_end(scene.peers[number].fd()) == ECONNRESET);
}

TEST_CASE("pool: what was there before the tunnel was put, it is not kept") {
  Scene scene;
  auto pair = tcp_pair();
  Peer peer = make_peer(std::move(pair.right));
  peer.send_data("x");
  scene.pool->put(key, {.tunnel = make_tunnel(scene.place, std::move(pair.left), 0),
                        .identity = scene.mine,
                        .born = scene.place.ring->now()});
  CHECK(scene.place.turn_until([&] { return scene.idle() == 0; }));
}

TEST_CASE("pool: sweep and clear, those not kept end clean and at once") {
  Scene scene;
  const auto one = scene.put();
  scene.put(other_key);
  scene.pool->sweep(
      [](const TunnelPool::Key &at, const TunnelPool::Idle &) { return at == other_key; });
  CHECK(scene.idle() == 1);
  CHECK(scene.ended_clean(one));
  scene.pool->clear();
  CHECK(scene.idle() == 0);
}

TEST_CASE("pool: several tunnels, the newest first") {
  Scene scene;
  for (int i = 0; i < 3; ++i)
    scene.put();
  CHECK(scene.idle() == 3);
  CHECK(scene.take() == 2);
  CHECK(scene.take() == 1);
  scene.put();
  CHECK(scene.take() == 3);
  CHECK(scene.take() == 0);
  CHECK(scene.idle() == 0);
}

TEST_CASE("pool: a tunnel taken, works for its next user") {
  Scene scene;
  const auto number = scene.put();
  scene.place.turn_for(5ms);
  auto idle = scene.pool->take(key, scene.mine.get(), facts()->peer);
  REQUIRE(idle.has_value());
  Listener user;
  idle->tunnel->set_user(&user);
  idle->tunnel->resume();
  scene.peers[number].send_message({2});
  REQUIRE(scene.place.turn_until([&] { return user.messages.size() == 1; }));
  CHECK(user.messages[0].kind == ControlMessage::Kind::opened);
  Tunnel::close(std::move(idle->tunnel), Tunnel::Close::clean);
}

}  // namespace
