// SPDX-License-Identifier: Apache-2.0
// The handshake between two culverts: what it agrees on, where it stops reading, what it costs a
// thread at a time.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <thread>

#include "handshake/recent.h"
#include "handshake_ends.h"

namespace culvert::test {
namespace {

constexpr std::uint8_t application_data = 23;

// Both directions carry a record each: the keys are the same on both sides, and so are the numbers.
void check_keys(Authenticated &a, Authenticated &b) {
  for (auto [from, to] : {std::pair{&a.send, &b.receive}, std::pair{&b.send, &a.receive}}) {
    CHECK(from->suite == to->suite);
    CHECK(from->sequence == to->sequence);
    Bytes record = seal(*from, application_data, bytes("hello"));
    const Opened opened = open(*to, record);
    CHECK(opened.good);
    CHECK(opened.content == bytes("hello"));
  }
}

// What the server sent behind its part of the handshake: the ticket, under its application keys.
void take_ticket(Pair &pair, Authenticated &client) {
  REQUIRE(client.tickets);
  REQUIRE(client.receive.sequence == 0);
  const Opened ticket = open(client.receive, pair.client.inbox);
  REQUIRE(ticket.good);
  CHECK(ticket.type == 22);
  CHECK(client.tickets->accept(ticket.content));
  CHECK(pair.client.inbox.empty());
}

TEST_CASE("two culverts, full and resumed, in each suite and in any pieces") {
  const Domain domain;
  const CipherSuite suite =
      GENERATE(CipherSuite::aes_128_gcm_sha256, CipherSuite::aes_256_gcm_sha384,
               CipherSuite::chacha20_poly1305_sha256);
  const std::size_t chunk = GENERATE(1U, 7U, 1000U, 1000000U);
  CAPTURE(name(suite), chunk);
  const auto from = domain.identity(client_id);
  const auto to = domain.identity(server_id, {{suite}, true});
  HandshakeMemory client_memory, server_memory;

  for (const bool resumed : {false, true, true}) {
    CAPTURE(resumed);
    Pair pair(from, to, client_memory, server_memory);
    run(pair.client, pair.server, chunk);
    REQUIRE(pair.done());
    Authenticated client = pair.client.handshake->finish();
    Authenticated server = pair.server.handshake->finish();

    CHECK(client.peer.text() == server_id);
    CHECK(server.peer.text() == client_id);
    CHECK(client.peer_not_after == to->svid().not_after());
    CHECK(server.peer_not_after == from->svid().not_after());
    for (const Authenticated *side : {&client, &server}) {
      CHECK(side->suite == suite);
      CHECK(side->group == "X25519MLKEM768");
      CHECK(side->resumed == resumed);
      CHECK(side->tunnel);
    }
    CHECK_FALSE(server.tickets);
    CHECK(server.send.sequence == 1);
    take_ticket(pair, client);
    check_keys(client, server);
  }
}

TEST_CASE("keys of every kind that a certificate may have") {
  const Domain domain;
  const auto kind = GENERATE(KeyKind::p256, KeyKind::p384, KeyKind::ed25519, KeyKind::rsa2048);
  const auto hour = std::chrono::hours(1);
  HandshakeMemory client_memory, server_memory;
  Pair pair(domain.identity(domain.svid(client_id, hour, kind)),
            domain.identity(domain.svid(server_id, hour, kind)), client_memory, server_memory);
  run(pair.client, pair.server);
  INFO(pair.client.handshake->detail() << pair.server.handshake->detail());
  CHECK(pair.done());
}

TEST_CASE("without resumption there is no ticket, and records are numbered from 0") {
  const Domain domain;
  const bool at_client = GENERATE(false, true);
  const auto from = domain.identity(client_id, {all_suites, !at_client});
  const auto to = domain.identity(server_id, {all_suites, at_client});
  HandshakeMemory client_memory, server_memory;
  for (int i = 0; i < 2; ++i) {
    Pair pair(from, to, client_memory, server_memory);
    run(pair.client, pair.server);
    REQUIRE(pair.done());
    Authenticated client = pair.client.handshake->finish();
    Authenticated server = pair.server.handshake->finish();
    CHECK_FALSE(client.resumed);
    CHECK((client.tickets == nullptr) == at_client);
    if (!at_client) {
      CHECK(server.send.sequence == 0);
      CHECK(pair.client.inbox.empty());
    } else {
      REQUIRE(open(client.receive, pair.client.inbox).type == 22);  // a session skips it
    }
    check_keys(client, server);
  }
}

TEST_CASE("data behind Finished are left alone") {
  const Domain domain;
  const std::size_t chunk = GENERATE(1U, 100U, 1000000U);
  HandshakeMemory client_memory, server_memory;
  Pair pair(domain.identity(client_id), domain.identity(server_id), client_memory, server_memory);
  CulvertEnd &client = pair.client, &server = pair.server;
  client.step();
  server.inbox = std::exchange(client.outbox, {});
  do
    server.step();
  while (server.progress == Handshake::Progress::paused);
  client.inbox = std::exchange(server.outbox, {});
  do
    client.step();
  while (client.progress == Handshake::Progress::paused);
  REQUIRE(client.done());
  Authenticated from = client.handshake->finish();

  // Finished, then at once two records of the tunnel, in one segment or byte by byte.
  const std::size_t flight = client.outbox.size();
  Bytes behind = seal(from.send, 0xcc, bytes("OPEN"));
  const Bytes more = seal(from.send, application_data, bytes("GET /"));
  behind.insert(behind.end(), more.begin(), more.end());
  Bytes wire = client.outbox;
  wire.insert(wire.end(), behind.begin(), behind.end());
  const std::size_t before = server.consumed;
  for (std::size_t sent = 0; !server.over();) {
    const std::size_t size = std::min(chunk, wire.size() - sent);
    server.inbox.insert(server.inbox.end(), wire.begin() + static_cast<std::ptrdiff_t>(sent),
                        wire.begin() + static_cast<std::ptrdiff_t>(sent + size));
    sent += size;
    server.step();
  }
  REQUIRE(server.done());
  CHECK(server.consumed - before == flight);
  CHECK(server.handshake->advance(wire).consumed == 0);  // over: takes nothing more

  Bytes rest(wire.begin() + static_cast<std::ptrdiff_t>(flight), wire.end());
  Authenticated to = server.handshake->finish();
  const Opened control = open(to.receive, rest);
  CHECK(control.good);
  CHECK(control.type == 0xcc);
  CHECK(open(to.receive, rest).content == bytes("GET /"));
}

TEST_CASE("expensive steps are apart, and a remembered chain saves one") {
  const Domain domain;
  const auto from = domain.identity(client_id, {all_suites, false});
  const auto to = domain.identity(server_id, {all_suites, false});
  HandshakeMemory client_memory, server_memory;
  for (const int pauses : {3, 2}) {  // before the chain, after it if it was new, before signing
    Pair pair(from, to, client_memory, server_memory);
    run(pair.client, pair.server);
    REQUIRE(pair.done());
    CHECK(pair.client.pauses == pauses);
    CHECK(pair.server.pauses == pauses);
  }
}

TEST_CASE("the server's order of suites decides, within what the client allows") {
  using enum CipherSuite;
  const Domain domain;
  HandshakeMemory client_memory, server_memory;
  Pair pair(
      domain.identity(client_id, {{chacha20_poly1305_sha256, aes_256_gcm_sha384}, true}),
      domain.identity(server_id,
                      {{aes_128_gcm_sha256, aes_256_gcm_sha384, chacha20_poly1305_sha256}, true}),
      client_memory, server_memory);
  run(pair.client, pair.server);
  REQUIRE(pair.done());
  CHECK(pair.client.handshake->finish().suite == aes_256_gcm_sha384);
}

TEST_CASE("an identity that cannot work is refused when it is made") {
  const Domain domain;
  const auto good = domain.svid(client_id);
  CHECK_FALSE(TlsIdentity::create(nullptr, domain.bundle, {all_suites, true}));
  CHECK_FALSE(TlsIdentity::create(good, nullptr, {all_suites, true}));
  CHECK_FALSE(TlsIdentity::create(good, domain.bundle, {{}, true}));
  auto bad = std::make_shared<Svid>(*good);
  bad->key = make_key();
  const auto made = TlsIdentity::create(bad, domain.bundle, {all_suites, true});
  REQUIRE_FALSE(made);
  CHECK(std::string_view(made.error().what) == "SVID: the key is not the certificate's");
  bad = std::make_shared<Svid>(*domain.svid(client_id, std::chrono::hours(1), KeyKind::p521));
  CHECK_FALSE(TlsIdentity::create(bad, domain.bundle, {all_suites, true}));
}

TEST_CASE("threads share identities, each with a memory of its own") {
  const Domain domain;
  const auto from = domain.identity(client_id);
  const auto to = domain.identity(server_id);
  std::atomic<int> good = 0, resumed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      HandshakeMemory client_memory, server_memory;
      for (int i = 0; i < 10; ++i) {
        Pair pair(from, to, client_memory, server_memory);
        run(pair.client, pair.server);
        if (!pair.done()) continue;
        ++good;
        Authenticated client = pair.client.handshake->finish();
        resumed += client.resumed ? 1 : 0;
        ENSURE(client.tickets->accept(open(client.receive, pair.client.inbox).content));
      }
    });
  }
  for (std::thread &thread : threads)
    thread.join();
  CHECK(good == 40);
  CHECK(resumed == 36);
}

TEST_CASE("memory is bounded: what was used longest ago goes") {
  Recent<int> recent(3);
  const auto key = [](std::uint8_t n) { return Key{n}; };
  for (std::uint8_t i = 1; i <= 3; ++i)
    recent.put(key(i), i);
  REQUIRE(recent.find(key(1)) != nullptr);
  recent.put(key(4), 4);
  CHECK(recent.size() == 3);
  CHECK(recent.find(key(2)) == nullptr);
  CHECK(*recent.find(key(1)) == 1);
  recent.put(key(1), 10);
  CHECK(recent.size() == 3);
  CHECK(*recent.find(key(1)) == 10);
  recent.erase(key(1));
  recent.erase(key(1));
  CHECK(recent.find(key(1)) == nullptr);
  CHECK(recent.size() == 2);
}

}  // namespace
}  // namespace culvert::test
