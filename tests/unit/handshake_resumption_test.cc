// SPDX-License-Identifier: Apache-2.0
// What a ticket is bound to, and what ends it.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <thread>

#include "handshake_ends.h"

namespace culvert::test {
namespace {

using Identity = std::shared_ptr<const TlsIdentity>;
using std::chrono::milliseconds;

// One thread's memory on each node, and one connection after another.
struct Nodes {
  struct Outcome {
    bool done = false, resumed = false;
    std::string client_reason, server_reason;
    std::string seen_client, seen_server;
  };
  Outcome connect(const Identity &from, const Identity &to, const std::string &expected = server_id,
                  std::uint16_t port = 80) {
    Pair pair(from, to, client_memory, server_memory, expected, port);
    run(pair.client, pair.server);
    Outcome out;
    out.client_reason = pair.client.reason();
    out.server_reason = pair.server.reason();
    out.done = pair.done();
    if (!out.done) return out;
    Authenticated client = pair.client.handshake->finish();
    Authenticated server = pair.server.handshake->finish();
    CHECK(client.resumed == server.resumed);
    out.resumed = client.resumed;
    out.seen_client = server.peer.text();
    out.seen_server = client.peer.text();
    const Opened ticket = open(client.receive, pair.client.inbox);
    if (ticket.good) CHECK(client.tickets->accept(ticket.content));
    return out;
  }
  HandshakeMemory client_memory, server_memory;
};

TEST_CASE("a ticket serves several connections, in a row and at once") {
  const Domain domain;
  const auto from = domain.identity(client_id);
  const auto to = domain.identity(server_id);
  Nodes nodes;
  CHECK_FALSE(nodes.connect(from, to).resumed);
  Pair one(from, to, nodes.client_memory, nodes.server_memory);
  Pair two(from, to, nodes.client_memory, nodes.server_memory);
  run(one.client, one.server);
  run(two.client, two.server);
  REQUIRE(one.done());
  REQUIRE(two.done());
  const Authenticated first = one.client.handshake->finish();
  const Authenticated second = two.client.handshake->finish();
  CHECK(first.resumed);
  CHECK(second.resumed);
  CHECK(first.send.secret != second.send.secret);  // (EC)DHE besides the PSK
}

TEST_CASE("a session is for one source, destination and port") {
  const Domain domain;
  const auto from = domain.identity(client_id);
  const auto to = domain.identity(server_id);
  Nodes nodes;
  REQUIRE(nodes.connect(from, to).done);
  REQUIRE(nodes.connect(from, to).resumed);

  SECTION("another client identity begins anew, as itself") {
    const std::string other = "spiffe://cluster.local/ns/a/sa/other";
    const auto outcome = nodes.connect(domain.identity(other), to);
    CHECK(outcome.done);
    CHECK_FALSE(outcome.resumed);
    CHECK(outcome.seen_client == other);
    const auto again = nodes.connect(from, to);
    CHECK(again.resumed);
    CHECK(again.seen_client == client_id);
  }
  SECTION("another port") { CHECK_FALSE(nodes.connect(from, to, server_id, 81).resumed); }
  SECTION("the client's certificate was renewed") {
    const auto outcome = nodes.connect(domain.identity(client_id), to);
    CHECK(outcome.done);
    CHECK_FALSE(outcome.resumed);
  }
  SECTION("the server's certificate was renewed") {
    const auto renewed = domain.identity(server_id);
    const auto outcome = nodes.connect(from, renewed);
    CHECK(outcome.done);
    CHECK_FALSE(outcome.resumed);
    CHECK(nodes.connect(from, renewed).resumed);
  }
  SECTION("another workload has the address now") {
    const std::string other = "spiffe://cluster.local/ns/b/sa/other";
    const auto outcome = nodes.connect(from, domain.identity(other));
    CHECK_FALSE(outcome.done);
    CHECK(outcome.client_reason == "unexpected_identity");
  }
}

TEST_CASE("a new trust bundle ends the tickets of the old one, on either side") {
  const Domain domain;
  const Signer other = make_root("second root", std::chrono::system_clock::now());
  const auto both = std::make_shared<const TrustBundle>(
      *TrustBundle::create("cluster.local", {domain.root.certificate, other.certificate}));
  const auto client_svid = domain.svid(client_id);
  const auto server_svid = domain.svid(server_id);
  const auto renew = [&](const std::shared_ptr<const Svid> &svid) {
    return *TlsIdentity::create(svid, both, {all_suites, true});
  };
  const auto from = domain.identity(client_svid);
  const auto to = domain.identity(server_svid);
  Nodes nodes;
  REQUIRE(nodes.connect(from, to).done);
  REQUIRE(nodes.connect(from, to).resumed);
  const bool at_client = GENERATE(true, false);
  const auto new_from = at_client ? renew(client_svid) : from;
  const auto new_to = at_client ? to : renew(server_svid);
  const auto outcome = nodes.connect(new_from, new_to);
  CHECK(outcome.done);
  CHECK_FALSE(outcome.resumed);
  CHECK(nodes.connect(new_from, new_to).resumed);
}

TEST_CASE("a root that left the bundle: neither ticket nor remembered chain lets its peers in") {
  const Domain domain;
  const auto from = domain.identity(client_id);
  const auto server_svid = domain.svid(server_id);
  const Signer other = make_root("second root", std::chrono::system_clock::now());
  const auto without = std::make_shared<const TrustBundle>(
      *TrustBundle::create("cluster.local", {other.certificate}));
  Nodes nodes;
  REQUIRE(nodes.connect(from, domain.identity(server_svid)).done);
  REQUIRE(nodes.connect(from, domain.identity(server_svid)).done);
  const auto outcome =
      nodes.connect(from, *TlsIdentity::create(server_svid, without, {all_suites, true}));
  CHECK_FALSE(outcome.done);
  CHECK(outcome.server_reason == "certificate_unknown_authority");
}

TEST_CASE("an expired certificate is refused, whatever was remembered of it") {
  const Domain domain;
  const bool client_expires = GENERATE(true, false);
  CAPTURE(client_expires);
  const auto from = domain.identity(
      domain.svid(client_id, client_expires ? milliseconds(2500) : milliseconds(3600000)));
  const auto to = domain.identity(
      domain.svid(server_id, client_expires ? milliseconds(3600000) : milliseconds(2500)));
  const auto end = std::chrono::system_clock::now() + milliseconds(2600);
  Nodes nodes;
  REQUIRE(nodes.connect(from, to).done);
  CHECK(nodes.connect(from, to).resumed);
  std::this_thread::sleep_until(end);
  const auto outcome = nodes.connect(from, to);
  CHECK_FALSE(outcome.done);
  CHECK((client_expires ? outcome.server_reason : outcome.client_reason) == "certificate_expired");
}

TEST_CASE("a ticket lives no longer than either certificate, nor than an hour") {
  const Domain domain;
  const auto [client_life, server_life, most] =
      GENERATE(std::tuple{100, 50, 50}, std::tuple{50, 100, 50}, std::tuple{7200, 7200, 3600});
  HandshakeMemory client_memory, server_memory;
  Pair pair(domain.identity(domain.svid(client_id, std::chrono::seconds(client_life))),
            domain.identity(domain.svid(server_id, std::chrono::seconds(server_life))),
            client_memory, server_memory);
  run(pair.client, pair.server);
  REQUIRE(pair.done());
  Authenticated client = pair.client.handshake->finish();
  const Bytes ticket = open(client.receive, pair.client.inbox).content;
  REQUIRE(ticket.size() > 8);  // type, length, lifetime in seconds (RFC 8446 section 4.6.1)
  const int lifetime = (ticket[4] << 24) + (ticket[5] << 16) + (ticket[6] << 8) + ticket[7];
  CHECK(lifetime <= most);
  CHECK(lifetime >= most - 10);
}

TEST_CASE("a refused resumption is not tried again") {
  const Domain domain;
  const auto from = domain.identity(client_id);
  const auto to = domain.identity(server_id);
  Nodes nodes;
  REQUIRE(nodes.connect(from, to).done);
  {
    Pair pair(from, to, nodes.client_memory, nodes.server_memory);
    pair.client.step();
    pair.client.inbox = {21, 3, 3, 0, 2, 2, 80};  // fatal internal_error
    pair.client.step();
    CHECK(pair.client.reason() == "peer_alert");
  }
  const auto outcome = nodes.connect(from, to);
  CHECK(outcome.done);
  CHECK_FALSE(outcome.resumed);
}

TEST_CASE("tickets are taken, anything else in a handshake record is not") {
  const Domain domain;
  HandshakeMemory client_memory, server_memory;
  Pair pair(domain.identity(client_id), domain.identity(server_id), client_memory, server_memory);
  run(pair.client, pair.server);
  REQUIRE(pair.done());
  Authenticated client = pair.client.handshake->finish();
  pair.client.handshake.reset();  // tickets outlive the handshake
  const Bytes ticket = open(client.receive, pair.client.inbox).content;
  REQUIRE(ticket.size() > 100);

  CHECK(client.tickets->accept(ticket));
  Bytes two = ticket;
  two.insert(two.end(), ticket.begin(), ticket.end());
  CHECK(client.tickets->accept(two));

  CHECK_FALSE(client.tickets->accept({}));
  CHECK_FALSE(client.tickets->accept(Bytes{24, 0, 0, 1, 0}));  // KeyUpdate
  CHECK_FALSE(client.tickets->accept(Bytes{4, 0, 0, 0}));
  CHECK_FALSE(client.tickets->accept(Bytes{4, 0, 0}));
  CHECK_FALSE(client.tickets->accept(Bytes(ticket.begin(), ticket.end() - 1)));
  Bytes trailing = ticket;
  trailing.push_back(0);
  CHECK_FALSE(client.tickets->accept(trailing));
  Bytes key_update_behind = ticket;
  key_update_behind.insert(key_update_behind.end(), {24, 0, 0, 1, 0});
  CHECK_FALSE(client.tickets->accept(key_update_behind));
  for (std::size_t i = 1; i < 4; ++i) {
    Bytes wrong_length = ticket;
    wrong_length[i] ^= 1;
    CHECK_FALSE(client.tickets->accept(wrong_length));
  }
}

TEST_CASE("a session is forgotten with the memory, and a ticket may come after that") {
  const Domain domain;
  HandshakeMemory server_memory;
  auto client_memory = std::make_unique<HandshakeMemory>();
  Authenticated client;
  Bytes records;
  {
    Pair pair(domain.identity(client_id), domain.identity(server_id), *client_memory,
              server_memory);
    run(pair.client, pair.server);
    REQUIRE(pair.done());
    client = pair.client.handshake->finish();
    records = pair.client.inbox;
  }
  client_memory.reset();
  CHECK(client.tickets->accept(open(client.receive, records).content));
}

}  // namespace
}  // namespace culvert::test
