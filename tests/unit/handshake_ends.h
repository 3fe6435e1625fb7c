// SPDX-License-Identifier: Apache-2.0
// handshake_ends: two ends of a handshake in memory, for the tests of this room: culvert's, and a
// foreign one made of BoringSSL alone, with settings culvert would not choose.
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "certificates.h"
#include "culvert/handshake.h"

namespace culvert::test {

inline const std::vector<CipherSuite> all_suites = {CipherSuite::aes_128_gcm_sha256,
                                                    CipherSuite::aes_256_gcm_sha384,
                                                    CipherSuite::chacha20_poly1305_sha256};
inline const char *const client_id = "spiffe://cluster.local/ns/a/sa/client";
inline const char *const server_id = "spiffe://cluster.local/ns/b/sa/server";

// A trust domain: its root, its bundle, and identities below it.
struct Domain {
  explicit Domain(std::string trust_domain = "cluster.local");
  std::shared_ptr<const Svid> svid(const std::string &id,
                                   std::chrono::milliseconds life = std::chrono::hours(1),
                                   KeyKind kind = KeyKind::p256) const;
  std::shared_ptr<const TlsIdentity> identity(const std::string &id,
                                              TlsIdentity::Options options = {all_suites,
                                                                              true}) const;
  std::shared_ptr<const TlsIdentity> identity(std::shared_ptr<const Svid> svid,
                                              TlsIdentity::Options options = {all_suites,
                                                                              true}) const;
  Signer root;
  std::shared_ptr<const TrustBundle> bundle;
};

// An end takes bytes and gives bytes until it is over.
class End {
 public:
  virtual ~End() = default;
  virtual void step() = 0;  // reads from `inbox` what it wants, writes to `outbox`
  virtual bool over() const = 0;
  virtual bool wants_turn() const { return false; }  // paused
  Bytes inbox, outbox;
};

class CulvertEnd final : public End {
 public:
  explicit CulvertEnd(Result<std::unique_ptr<Handshake>> handshake);
  void step() override;
  bool over() const override;
  bool wants_turn() const override { return progress == Handshake::Progress::paused; }
  bool done() const { return progress == Handshake::Progress::done; }
  bool refused() const { return progress == Handshake::Progress::refused; }
  std::string reason() const { return std::string(name(handshake->refusal())); }

  std::unique_ptr<Handshake> handshake;
  Handshake::Progress progress = Handshake::Progress::needs_input;
  std::size_t consumed = 0;
  int pauses = 0;
};

struct ForeignOptions {
  bool server = false;
  std::vector<Certificate> chain;  // empty: none
  PrivateKey key;
  std::uint16_t min_version = TLS1_3_VERSION, max_version = TLS1_3_VERSION;
  std::vector<std::uint16_t> groups, suites;
  std::string protocol;  // ALPN; empty: none
  bool accept_peer = true;
  SSL_SESSION *session = nullptr;
};

class ForeignEnd final : public End {
 public:
  explicit ForeignEnd(const ForeignOptions &options);
  void step() override;
  bool over() const override { return done || failed; }
  void close();             // close_notify or a broken handshake's alert
  Bytes read();             // application data; also takes tickets
  void write(const Bytes &data);
  void flush();

  bssl::UniquePtr<SSL_CTX> context;
  bssl::UniquePtr<SSL> ssl;
  bssl::UniquePtr<SSL_SESSION> session;  // of the newest ticket
  bool done = false, failed = false;
  int reason = 0;  // of libssl

 private:
  void pump_in();
};

// Both ends until nothing moves; `chunk` bytes at most are delivered at a time.
void run(End &a, End &b, std::size_t chunk = SIZE_MAX);

// Culvert on both sides.
struct Pair {
  Pair(std::shared_ptr<const TlsIdentity> from, std::shared_ptr<const TlsIdentity> to,
       HandshakeMemory &from_memory, HandshakeMemory &to_memory,
       const std::string &expected = server_id, std::uint16_t port = 80);
  bool done() const { return client.done() && server.done(); }
  CulvertEnd client, server;
};

// One record under `keys`, whose number moves on; what a peer's record layer does.
Bytes seal(TrafficKeys &keys, std::uint8_t type, const Bytes &content);
struct Opened {
  bool good = false;
  std::uint8_t type = 0;
  Bytes content;
};
Opened open(TrafficKeys &keys, Bytes &records);  // takes the first record off `records`

Bytes bytes(std::string_view text);

}  // namespace culvert::test
