// SPDX-License-Identifier: Apache-2.0
// Every way a handshake is refused, by its own name.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <set>

#include "handshake/judge.h"
#include "handshake_ends.h"

namespace culvert::test {
namespace {

Handshake::Server expected(const std::string &id = server_id) {
  return {SpiffeId::parse(id).value(), "b/server", {Ip::loopback_v4(), 443}};
}

// The alert that `end` has for its peer, as the peer's library names it.
int alert_seen(const ForeignEnd &end) { return end.reason - SSL_AD_REASON_OFFSET; }

std::string refusal_name(const CertificateCase &shown) {
  if (shown.expected == CertificateRefusal::none) return "none";
  if (shown.name == "other-trust-domain" || shown.name == "trust-domain-prefix") {
    return "unknown_trust_domain";
  }
  return "certificate_" + std::string(name(shown.expected));
}

struct Met {
  bool refused = false, unsendable = false;
  std::string reason, detail;
};

Met meet(const Domain &domain, const CertificateCase &shown, bool server) {
  ForeignOptions options;
  options.server = server;
  options.chain = shown.chain;
  options.key = shown.key;
  ForeignEnd foreign(options);
  HandshakeMemory memory;
  const auto self = domain.identity("spiffe://cluster.local/ns/x/sa/self");
  std::string id = "spiffe://cluster.local/ns/shop/sa/web";
  if (shown.name == "good-longest") id = shown.chain.front().uri_names().front();
  CulvertEnd ours(server ? Handshake::connect(self, expected(id), memory)
                         : Handshake::accept(self, memory));
  if (server) {
    run(ours, foreign);
  } else {
    run(foreign, ours);
  }
  Met out;
  out.unsendable = foreign.failed && foreign.reason == SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS;
  out.refused = ours.refused();
  out.reason = ours.reason();
  out.detail = ours.handshake->detail();
  if (out.refused) CHECK(ours.handshake->advance(bytes("more")).consumed == 0);
  return out;
}

TEST_CASE("certificates good and bad, from a client and from a server") {
  const Domain domain;
  const bool server = GENERATE(false, true);
  std::set<std::string> seen;
  for (const CertificateCase &shown : certificate_cases(domain.root, {})) {
    CAPTURE(shown.name, server);
    const std::string wanted = refusal_name(shown);
    std::vector<std::span<const std::uint8_t>> chain;
    for (const Certificate &certificate : shown.chain)
      chain.emplace_back(certificate.der());
    const Verdict verdict = judge(chain, *domain.bundle, std::chrono::system_clock::now());
    CHECK(name(verdict.refusal) == wanted);

    // BoringSSL refuses to send these two.
    if (shown.name == "no-digital-signature" || shown.name == "unknown-curve-p224") continue;
    const Met met = meet(domain, shown, server);
    if (met.unsendable) {
      CHECK(wanted == "certificate_weak_key");
      continue;
    }
    CHECK(met.refused == (wanted != "none"));
    CHECK(met.reason == wanted);
    if (met.refused) {
      CHECK_FALSE(met.detail.empty());
      seen.insert(met.reason);
    }
    for (const char c : met.detail)
      CHECK((c >= 0x20 && c < 0x7f));
  }
  CHECK(seen.size() == 13);  // every CertificateRefusal, and the trust domain
}

TEST_CASE("leaves that the TLS library refuses by itself have our reason all the same") {
  const Domain domain;
  const auto now = std::chrono::system_clock::now();
  Recipe recipe;
  recipe.uris = {"spiffe://cluster.local/ns/shop/sa/web"};
  recipe.not_before = now - std::chrono::seconds(10);
  recipe.not_after = now + std::chrono::hours(1);
  const PrivateKey key = make_key(KeyKind::ed25519);  // BoringSSL sends it with any usage
  const bool server = GENERATE(false, true);
  recipe.key_usage = "critical,keyAgreement";
  Met met = meet(domain, {"", {}, {mint(domain.root, key, recipe)}, key}, server);
  CHECK(met.reason == "certificate_wrong_key_usage");
  CHECK(met.detail.contains("KEY_USAGE_BIT_INCORRECT"));
  CHECK(met.detail.contains("spiffe://cluster.local/ns/shop/sa/web"));
  recipe.ca = true;
  recipe.key_usage = "critical,keyCertSign,cRLSign";
  met = meet(domain, {"", {}, {mint(domain.root, key, recipe)}, key}, server);
  CHECK(met.reason == "certificate_leaf_is_ca");
}

TEST_CASE("a certificate that does not parse is malformed") {
  const Domain domain;
  const Bytes garbage = bytes("no certificate");
  const std::span<const std::uint8_t> chain[] = {garbage};
  CHECK(judge(chain, *domain.bundle, std::chrono::system_clock::now()).refusal ==
        Refusal::certificate_malformed);
  CHECK(judge({}, *domain.bundle, std::chrono::system_clock::now()).refusal ==
        Refusal::no_certificate);
  CHECK(printable(std::string("a\nb\0c", 5)) == "a?b?c");
  CHECK(printable(std::string(300, 'x')) == std::string(256, 'x') + "...");
}

TEST_CASE("the server must be the workload that was dialled") {
  const Domain domain;
  HandshakeMemory client_memory, server_memory;
  Pair pair(domain.identity(client_id), domain.identity(server_id), client_memory, server_memory,
            "spiffe://cluster.local/ns/b/sa/other");
  run(pair.client, pair.server);
  CHECK(pair.client.reason() == "unexpected_identity");
  CHECK(pair.client.handshake->detail() == std::string("the server is ") + server_id +
                                               ", expected spiffe://cluster.local/ns/b/sa/other");
  CHECK(pair.server.reason() == "peer_alert");
  CHECK(pair.server.handshake->detail() == "the peer's alert: certificate unknown");

  // The chain is remembered now, the refusal must not depend on that.
  Pair again(domain.identity(client_id), domain.identity(server_id), client_memory, server_memory,
             "spiffe://cluster.local/ns/b/sa/other");
  run(again.client, again.server);
  CHECK(again.client.reason() == "unexpected_identity");
}

TEST_CASE("another trust domain is refused by either side") {
  const Domain ours, theirs("other.example");
  HandshakeMemory client_memory, server_memory;
  Pair pair(ours.identity(client_id), theirs.identity("spiffe://other.example/ns/b/sa/server"),
            client_memory, server_memory);
  run(pair.client, pair.server);
  CHECK(pair.client.reason() == "unknown_trust_domain");
  CHECK(pair.client.handshake->detail().contains("spiffe://other.example/ns/b/sa/server"));
  CHECK(pair.client.handshake->detail().ends_with("ours is cluster.local"));
}

TEST_CASE("a client without a certificate") {
  const Domain domain;
  HandshakeMemory memory;
  ForeignEnd client(ForeignOptions{});
  CulvertEnd server(Handshake::accept(domain.identity(server_id), memory));
  run(client, server);
  CHECK(server.reason() == "no_certificate");
  client.read();
  CHECK(server.handshake->detail() == "PEER_DID_NOT_RETURN_A_CERTIFICATE");
}

TEST_CASE("below TLS 1.3") {
  const Domain domain;
  HandshakeMemory memory;
  ForeignOptions options;
  const auto svid = domain.svid(server_id);
  options.chain = svid->chain;
  options.key = svid->key;
  const int version = GENERATE(TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION);
  options.min_version = options.max_version = static_cast<std::uint16_t>(version);
  SECTION("client") {
    ForeignEnd client(options);
    CulvertEnd server(Handshake::accept(domain.identity(server_id), memory));
    run(client, server);
    CHECK(server.reason() == "tls_version");
    CHECK(alert_seen(client) == SSL_AD_PROTOCOL_VERSION);
  }
  SECTION("server") {
    options.server = true;
    ForeignEnd server(options);
    CulvertEnd client(Handshake::connect(domain.identity(client_id), expected(), memory));
    run(client, server);
    CHECK(client.reason() == "tls_version");
  }
}

TEST_CASE("plaintext is told at its first bytes") {
  const Domain domain;
  HandshakeMemory memory;
  const std::string text =
      GENERATE("GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n", "\x17\x03\x03", "\x14\x03\x03", "*1\r\n");
  const bool server = GENERATE(true, false);
  CAPTURE(text, server);
  const auto self = domain.identity(server_id);
  CulvertEnd end(server ? Handshake::accept(self, memory)
                        : Handshake::connect(self, expected(), memory));
  end.step();
  end.outbox.clear();
  end.inbox = bytes(text.substr(0, 1));
  end.step();
  CHECK(end.reason() == "plaintext");
  CHECK(end.consumed == 0);
  CHECK(end.outbox.empty());  // TLS means nothing to such a peer
  CHECK(end.handshake->detail() == "the first bytes are " + hex(end.inbox));
}

TEST_CASE("a handshake record's type alone does not make it TLS") {
  const Domain domain;
  HandshakeMemory memory;
  CulvertEnd server(Handshake::accept(domain.identity(server_id), memory));
  server.inbox = {0x16};
  server.step();
  CHECK(server.consumed == 1);
  CHECK_FALSE(server.over());
  server.inbox = {0x02};
  server.step();
  CHECK(server.reason() == "plaintext");
}

TEST_CASE("garbage in a record of TLS") {
  const Domain domain;
  HandshakeMemory memory;
  CulvertEnd server(Handshake::accept(domain.identity(server_id), memory));
  server.inbox = {0x16, 3, 1, 0, 8, 1, 0, 0, 4, 0xde, 0xad, 0xbe, 0xef};
  server.step();
  CHECK(server.reason() == "handshake_failed");
  CHECK_FALSE(server.handshake->detail().empty());
  CHECK(server.outbox.size() == 7);  // an alert
}

TEST_CASE("a record that was changed on the way") {
  const Domain domain;
  HandshakeMemory client_memory, server_memory;
  Pair pair(domain.identity(client_id), domain.identity(server_id), client_memory, server_memory);
  pair.client.step();
  pair.server.inbox = std::exchange(pair.client.outbox, {});
  do
    pair.server.step();
  while (pair.server.progress == Handshake::Progress::paused);
  pair.client.inbox = std::exchange(pair.server.outbox, {});
  pair.client.inbox.back() ^= 1;
  do
    pair.client.step();
  while (pair.client.progress == Handshake::Progress::paused);
  CHECK(pair.client.reason() == "handshake_failed");
  CHECK(pair.client.handshake->detail().contains("BAD_RECORD_MAC"));
}

TEST_CASE("no suite in common") {
  using enum CipherSuite;
  const Domain domain;
  HandshakeMemory client_memory, server_memory;
  Pair pair(domain.identity(client_id, {{aes_128_gcm_sha256}, true}),
            domain.identity(server_id, {{chacha20_poly1305_sha256}, true}), client_memory,
            server_memory);
  run(pair.client, pair.server);
  CHECK(pair.server.reason() == "handshake_failed");
  CHECK(pair.server.handshake->detail() == "NO_SHARED_CIPHER");
  CHECK(pair.client.reason() == "peer_alert");
}

TEST_CASE("the peer refuses us, or leaves") {
  const Domain domain;
  HandshakeMemory memory;
  SECTION("a server that does not like our certificate") {
    const auto svid = domain.svid(client_id);
    ForeignOptions options;
    options.chain = svid->chain;
    options.key = svid->key;
    options.accept_peer = false;
    ForeignEnd client(options);
    CulvertEnd server(Handshake::accept(domain.identity(server_id), memory));
    run(client, server);
    CHECK(server.reason() == "peer_alert");
    CHECK(server.handshake->detail() == "the peer's alert: certificate revoked");
  }
  SECTION("close_notify in the middle") {
    CulvertEnd client(Handshake::connect(domain.identity(client_id), expected(), memory));
    client.step();
    client.inbox = {21, 3, 3, 0, 2, 1, 0};
    client.step();
    CHECK(client.reason() == "handshake_closed");
  }
}

TEST_CASE("every refusal has a name of its own") {
  std::set<std::string_view> names;
  for (int i = 0; i < static_cast<int>(Refusal::count); ++i) {
    names.insert(name(static_cast<Refusal>(i)));
  }
  CHECK(names.size() == static_cast<std::size_t>(Refusal::count));
  CHECK(name(Refusal::unexpected_identity) == "unexpected_identity");
  CHECK(name(Refusal::count) == "unknown");
}

}  // namespace
}  // namespace culvert::test
