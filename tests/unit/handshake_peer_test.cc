// SPDX-License-Identifier: Apache-2.0
// Bare peers: TLS 1.3 implementations that are no culvert, on either side.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "handshake_ends.h"

namespace culvert::test {
namespace {

ForeignOptions as(const std::shared_ptr<const Svid> &svid, bool server) {
  ForeignOptions out;
  out.server = server;
  out.chain = svid->chain;
  out.key = svid->key;
  return out;
}

Handshake::Server expected() {
  return {SpiffeId::parse(server_id).value(), "b/server", {Ip::loopback_v4(), 443}};
}

TEST_CASE("a bare client: each group and suite, full and resumed") {
  const Domain domain;
  const auto svid = domain.svid(client_id);
  const auto to = domain.identity(server_id);
  const auto group = GENERATE(SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519, SSL_GROUP_SECP256R1);
  const auto suite = GENERATE(0x1301, 0x1302, 0x1303);
  const std::size_t chunk = GENERATE(1U, 1000000U);
  HandshakeMemory memory;
  bssl::UniquePtr<SSL_SESSION> session;
  for (const bool resumed : {false, true}) {
    CAPTURE(group, suite, chunk, resumed);
    ForeignOptions options = as(svid, false);
    options.groups = {static_cast<std::uint16_t>(group)};
    options.suites = {static_cast<std::uint16_t>(suite)};
    options.session = session.get();
    ForeignEnd client(options);
    CulvertEnd server(Handshake::accept(to, memory));
    run(client, server, chunk);
    REQUIRE(client.done);
    REQUIRE(server.done());
    Authenticated made = server.handshake->finish();
    CHECK(made.peer.text() == client_id);
    CHECK(made.group == SSL_get_group_name(static_cast<std::uint16_t>(group)));
    CHECK(static_cast<int>(made.suite) == suite);
    CHECK(made.resumed == resumed);
    CHECK_FALSE(made.tunnel);

    // The ticket is already on the wire; then records of ours, opened by the foreign library.
    CHECK(made.send.sequence == 1);
    const Bytes record = seal(made.send, 23, bytes("from culvert"));
    client.inbox.insert(client.inbox.end(), record.begin(), record.end());
    CHECK(client.read() == bytes("from culvert"));
    session = std::move(client.session);
    REQUIRE(session);
    client.write(bytes("to culvert"));
    CHECK(open(made.receive, client.outbox).content == bytes("to culvert"));
  }
}

TEST_CASE("a bare server: each group, asked for by HelloRetryRequest, full and resumed") {
  const Domain domain;
  const auto svid = domain.svid(server_id);
  const auto from = domain.identity(client_id);
  const auto group = GENERATE(SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519, SSL_GROUP_SECP256R1);
  const std::size_t chunk = GENERATE(1U, 1000000U);
  CAPTURE(group, chunk);
  HandshakeMemory memory;
  ForeignOptions options = as(svid, true);
  options.groups = {static_cast<std::uint16_t>(group)};
  ForeignEnd first(options);
  for (const bool resumed : {false, true}) {
    CAPTURE(resumed);
    ForeignEnd server(options);
    if (resumed) {  // the same ticket keys
      server.ssl.reset(SSL_new(first.context.get()));
      BIO *const in = BIO_new(BIO_s_mem());
      BIO_set_mem_eof_return(in, -1);
      SSL_set_bio(server.ssl.get(), in, BIO_new(BIO_s_mem()));
      SSL_set_accept_state(server.ssl.get());
    }
    ForeignEnd &end = resumed ? server : first;
    CulvertEnd client(Handshake::connect(from, expected(), memory));
    run(client, end, chunk);
    REQUIRE(client.done());
    REQUIRE(end.done);
    Authenticated made = client.handshake->finish();
    CHECK(made.resumed == resumed);
    CHECK_FALSE(made.tunnel);
    CHECK(made.group == SSL_get_group_name(static_cast<std::uint16_t>(group)));
    end.write(bytes("banner"));  // its tickets, two in a record, go out with it
    Bytes records = client.inbox;
    records.insert(records.end(), end.outbox.begin(), end.outbox.end());
    Opened opened = open(made.receive, records);
    for (; opened.good && opened.type == 22; opened = open(made.receive, records)) {
      CHECK(made.tickets->accept(opened.content));
    }
    CHECK(opened.content == bytes("banner"));
    end.inbox = seal(made.send, 23, bytes("request"));
    CHECK(end.read() == bytes("request"));
  }
}

TEST_CASE("a peer that offers other protocols only is bare; one that offers ours has it") {
  const Domain domain;
  const auto to = domain.identity(server_id);
  HandshakeMemory memory;
  for (const std::string protocol : {"", "h2", "culvert/2", "culvert/1"}) {
    CAPTURE(protocol);
    ForeignOptions options = as(domain.svid(client_id), false);
    options.protocol = protocol;
    ForeignEnd client(options);
    CulvertEnd server(Handshake::accept(to, memory));
    run(client, server);
    REQUIRE(server.done());
    CHECK(server.handshake->finish().tunnel == (protocol == "culvert/1"));
    const std::uint8_t *selected = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client.ssl.get(), &selected, &size);
    CHECK(size == (protocol == "culvert/1" ? protocol.size() : 0));
  }
}

TEST_CASE("a ticket of one pod's identity means nothing to another's") {
  const Domain domain;
  const auto svid = domain.svid(client_id);
  HandshakeMemory memory;
  bssl::UniquePtr<SSL_SESSION> session;
  for (const char *id : {server_id, "spiffe://cluster.local/ns/b/sa/other"}) {
    ForeignOptions options = as(svid, false);
    options.session = session.get();
    ForeignEnd client(options);
    CulvertEnd server(Handshake::accept(domain.identity(id), memory));
    run(client, server);
    REQUIRE(server.done());
    CHECK_FALSE(server.handshake->finish().resumed);
    client.read();
    session = std::move(client.session);
    REQUIRE(session);
  }
}

TEST_CASE("early data are neither offered nor taken") {
  const Domain domain;
  const auto svid = domain.svid(client_id);
  const auto to = domain.identity(server_id);
  HandshakeMemory memory;
  bssl::UniquePtr<SSL_SESSION> session;
  for (int i = 0; i < 2; ++i) {
    ForeignOptions options = as(svid, false);
    options.session = session.get();
    ForeignEnd client(options);
    SSL_set_early_data_enabled(client.ssl.get(), 1);
    CulvertEnd server(Handshake::accept(to, memory));
    run(client, server);
    REQUIRE(client.done);
    REQUIRE(server.done());
    CHECK_FALSE(SSL_early_data_accepted(client.ssl.get()));
    client.read();
    session = std::move(client.session);
    REQUIRE(session);
    CHECK_FALSE(SSL_SESSION_early_data_capable(session.get()));
  }
}

}  // namespace
}  // namespace culvert::test
