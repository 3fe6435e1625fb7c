// SPDX-License-Identifier: Apache-2.0
#include "connection.h"

#include <openssl/err.h>

#include <algorithm>

#include "reason.h"
#include "tickets.h"

namespace culvert {
namespace {

TrafficKeys traffic_keys(CipherSuite suite, bssl::Span<const std::uint8_t> secret,
                         std::uint64_t sequence) {
  TrafficKeys out;
  out.suite = suite;
  ENSURE(secret.size() <= out.secret.size());
  out.secret_size = static_cast<std::uint8_t>(secret.size());
  std::copy(secret.begin(), secret.end(), out.secret.begin());
  out.sequence = sequence;
  return out;
}

}  // namespace

Connection::Connection(std::shared_ptr<const Credentials> self, std::optional<Server> server,
                       HandshakeMemory &memory)
    : self_(std::move(self)), server_(std::move(server)), memory_(memory) {}

Result<> Connection::open() {
  ssl_.reset(SSL_new(self_->context()));
  if (!ssl_) {
    ERR_clear_error();
    return fail({"TLS: no memory for a handshake", 0, ErrorSource::tls});
  }
  SSL *const ssl = ssl_.get();
  SSL_set_app_data(ssl, this);
  SSL_set_shed_handshake_config(ssl, 1);
  BIO *const bio = transport_.bio().release();
  SSL_set_bio(ssl, bio, bio);
  if (!is_client()) {
    SSL_set_accept_state(ssl);
    return {};
  }
  SSL_set_connect_state(ssl);
  // Every culvert takes the hybrid group: a second key share would be computed for nothing. A bare
  // peer without it asks for another one (HelloRetryRequest) and gets it.
  const std::uint16_t share = SSL_GROUP_X25519_MLKEM768;
  ENSURE(SSL_set1_client_key_shares(ssl, &share, 1));
  if (!self_->resumption()) return {};
  if (const auto *session = memory_.state().sessions->find(session_key()); session != nullptr) {
    offered_ = true;
    SSL_set_session(ssl, session->get());
  }
  return {};
}

Handshake::Step Connection::advance(std::span<const std::uint8_t> input) {
  if (progress_ == Progress::done || progress_ == Progress::refused) return {progress_, 0};
  if (!begins_as_tls(input)) {
    const std::string bytes = hex(input.first(std::min<std::size_t>(input.size(), 8)));
    return {refuse(Refusal::plaintext, "the first bytes are " + bytes), 0};
  }
  if (!ssl_) {
    if (input.empty()) return {progress_, 0};
    if (auto opened = open(); !opened) {
      return {refuse(Refusal::no_resources, opened.error().what), 0};
    }
  }
  transport_.input = input;
  progress_ = step();
  const std::size_t consumed = input.size() - transport_.input.size();
  transport_.input = {};
  received_ += consumed;
  return {progress_, consumed};
}

// A TLS peer begins with a handshake record, or an alert: content type, then major version 3
// (RFC 8446 section 5.1). Everything else is told at its first or second byte.
bool Connection::begins_as_tls(std::span<const std::uint8_t> input) const {
  for (std::size_t i = received_; i < 2 && i - received_ < input.size(); ++i) {
    const std::uint8_t byte = input[i - received_];
    const bool good =
        i == 0 ? byte == SSL3_RT_HANDSHAKE || byte == SSL3_RT_ALERT : byte == SSL3_VERSION_MAJOR;
    if (!good) return false;
  }
  return true;
}

Handshake::Progress Connection::step() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return complete();
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Progress::needs_input;
    case SSL_ERROR_WANT_CERTIFICATE_VERIFY:
    case SSL_ERROR_WANT_PRIVATE_KEY_OPERATION:
      return Progress::paused;
    case SSL_ERROR_ZERO_RETURN:
      return refuse(Refusal::handshake_closed, "the peer sent close_notify");
    default:
      return failed();
  }
}

Handshake::Progress Connection::complete() {
  SSL *const ssl = ssl_.get();
  if (!is_client() && SSL_session_reused(ssl)) {
    // libssl asks a client about the server of a resumed session, but no server about its client.
    bool remembered = false;
    Verdict verdict = judge_peer(&remembered);
    if (verdict.refusal != Refusal::none) {
      SSL_send_fatal_alert(ssl, verdict.alert);
      return refuse(verdict.refusal, std::move(verdict.detail));
    }
    peer_ = std::move(verdict.peer);
    judgement_ = Judgement::done;
  }
  ENSURE(judgement_ == Judgement::done);
  // libssl keeps the ticket until the next write, and there will be none of its own.
  if (!is_client() && SSL_write(ssl, nullptr, 0) < 0) return failed();
  if (SSL_has_pending(ssl)) {
    return refuse(Refusal::handshake_failed, "data behind Finished in the TLS library");
  }
  return Progress::done;
}

Handshake::Progress Connection::failed() {
  Reason reason = take_reason();
  if (refusal_ != Refusal::none) return refuse(refusal_, std::move(detail_));  // by verify()
  // libssl refuses some leaves before it asks verify(): say why in our terms.
  if (auto verdict = judge_message(); verdict && verdict->refusal != Refusal::none) {
    return refuse(verdict->refusal, verdict->detail + " (" + reason.detail + ")");
  }
  return refuse(reason.refusal, std::move(reason.detail));
}

Handshake::Progress Connection::refuse(Refusal refusal, std::string detail) {
  refusal_ = refusal;
  detail_ = std::move(detail);
  // Whatever a server has against us, it may be the ticket.
  if (offered_) memory_.state().sessions->erase(session_key());
  transport_.input = {};
  ssl_.reset();
  ERR_clear_error();
  progress_ = Progress::refused;
  return progress_;
}

Key Connection::session_key() const {
  const std::uint16_t port = server_->address.port;
  const std::array<std::uint8_t, 2> port_bytes = {static_cast<std::uint8_t>(port >> 8),
                                                  static_cast<std::uint8_t>(port)};
  return Digest()
      .add(self_->fingerprint())
      .add(server_->id.text())
      .add(server_->workload)
      .add(port_bytes)
      .key();
}

std::span<const std::uint8_t> Connection::output() const {
  return std::span(transport_.output).subspan(output_sent_);
}

void Connection::output_sent(std::size_t size_bytes) {
  output_sent_ += size_bytes;
  ENSURE(output_sent_ <= transport_.output.size());
  if (output_sent_ == transport_.output.size()) {
    transport_.output.clear();
    output_sent_ = 0;
  }
}

Authenticated Connection::finish() {
  ENSURE(progress_ == Progress::done && ssl_);
  SSL *const ssl = ssl_.get();
  bssl::Span<const std::uint8_t> read, write;
  ENSURE(bssl::SSL_get_traffic_secrets(ssl, &read, &write));
  const std::uint8_t *protocol = nullptr;
  unsigned protocol_size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &protocol_size);
  const std::string_view selected(reinterpret_cast<const char *>(protocol), protocol_size);
  const auto suite =
      static_cast<CipherSuite>(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)));
  const char *group = SSL_get_group_name(SSL_get_group_id(ssl));

  Authenticated out;
  out.peer = std::move(peer_.id);
  out.peer_not_after = peer_.not_after;
  out.suite = suite;
  out.group = group != nullptr ? group : "unknown";
  out.resumed = SSL_session_reused(ssl) != 0;
  out.tunnel = selected == tunnel_protocol;
  out.send = traffic_keys(suite, write, SSL_get_write_sequence(ssl));
  out.receive = traffic_keys(suite, read, SSL_get_read_sequence(ssl));
  if (is_client() && self_->resumption()) {
    SSL_set_app_data(ssl, nullptr);
    SSL_set_bio(ssl, nullptr, nullptr);
    out.tickets = keep_tickets(std::move(ssl_), memory_.state().sessions, session_key());
  }
  ssl_.reset();
  return out;
}

Result<std::unique_ptr<Handshake>> Handshake::connect(std::shared_ptr<const TlsIdentity> self,
                                                      const Server &server,
                                                      HandshakeMemory &memory) {
  auto out = std::make_unique<Connection>(
      std::static_pointer_cast<const Credentials>(std::move(self)), server, memory);
  TRY(out->open());
  return out;
}

Result<std::unique_ptr<Handshake>> Handshake::accept(std::shared_ptr<const TlsIdentity> self,
                                                     HandshakeMemory &memory) {
  return std::make_unique<Connection>(std::static_pointer_cast<const Credentials>(std::move(self)),
                                      std::nullopt, memory);
}

}  // namespace culvert
