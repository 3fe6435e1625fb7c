// SPDX-License-Identifier: Apache-2.0
// connection: one handshake, either side.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "culvert/handshake.h"
#include "judge.h"
#include "memory.h"
#include "tls_identity.h"
#include "transport.h"

namespace culvert {

// What libssl calls while SSL_do_handshake() runs; the SSL's app data is its Connection.
ssl_verify_result_t on_verify(SSL *ssl, std::uint8_t *alert);
void on_message(int is_write, int version, int content_type, const void *data, std::size_t size,
                SSL *ssl, void *argument);
const SSL_PRIVATE_KEY_METHOD *private_key_method();

class Connection final : public Handshake {
 public:
  // `server` is whom a client expects; nullopt: we are the server.
  Connection(std::shared_ptr<const Credentials> self, std::optional<Server> server,
             HandshakeMemory &memory);

  // Makes the SSL. A client's at once, a server's at its first byte: a connection that never says
  // anything costs next to nothing.
  Result<> open();

  Step advance(std::span<const std::uint8_t> input) override;
  std::span<const std::uint8_t> output() const override;
  void output_sent(std::size_t size_bytes) override;
  Refusal refusal() const override { return refusal_; }
  std::string detail() const override { return detail_; }
  Authenticated finish() override;

  // From libssl.
  ssl_verify_result_t verify(std::uint8_t *alert);
  ssl_private_key_result_t sign_later(std::uint16_t algorithm, std::span<const std::uint8_t> text);
  ssl_private_key_result_t sign(std::span<std::uint8_t> out, std::size_t *out_size) const;
  void message(std::span<const std::uint8_t> text);

 private:
  // The chain is judged after a pause, and its owner's signature after another one, unless the
  // chain was remembered and cost nothing.
  enum class Judgement : std::uint8_t { none, due, done };

  bool is_client() const { return server_.has_value(); }
  bool begins_as_tls(std::span<const std::uint8_t> input) const;
  Progress step();
  Progress complete();
  Progress failed();
  Progress refuse(Refusal refusal, std::string detail);
  Verdict judge_peer(bool *remembered);
  std::optional<Verdict> judge_message() const;
  void limit_session();
  Key session_key() const;

  std::shared_ptr<const Credentials> self_;
  std::optional<Server> server_;
  HandshakeMemory &memory_;
  Transport transport_;
  bssl::UniquePtr<SSL> ssl_;  // its BIO is transport_
  std::size_t output_sent_ = 0;
  std::size_t received_ = 0;
  Progress progress_ = Progress::needs_input;
  Judgement judgement_ = Judgement::none;
  Refusal refusal_ = Refusal::none;
  bool offered_ = false;  // a session to resume
  std::string detail_;
  PeerIdentity peer_;
  Bytes certificate_message_;  // until the chain is judged
  Bytes text_to_sign_;
  std::uint16_t signature_algorithm_ = 0;
};

}  // namespace culvert
