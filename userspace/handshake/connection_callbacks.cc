// SPDX-License-Identifier: Apache-2.0
// What libssl asks a Connection: who the peer is, and our signature. Both after a pause, so that
// the thread's other work comes between any two expensive steps.
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "connection.h"

namespace culvert {
namespace {

Connection *connection_of(const SSL *ssl) {
  return static_cast<Connection *>(SSL_get_app_data(ssl));
}

ssl_private_key_result_t on_sign(SSL *ssl, std::uint8_t * /*out*/, std::size_t * /*out_size*/,
                                 std::size_t /*out_max*/, std::uint16_t algorithm,
                                 const std::uint8_t *text, std::size_t size) {
  return connection_of(ssl)->sign_later(algorithm, {text, size});
}

ssl_private_key_result_t on_complete(SSL *ssl, std::uint8_t *out, std::size_t *out_size,
                                     std::size_t out_max) {
  return connection_of(ssl)->sign({out, out_max}, out_size);
}

std::vector<std::span<const std::uint8_t>> views(const STACK_OF(CRYPTO_BUFFER) * chain) {
  std::vector<std::span<const std::uint8_t>> out;
  for (std::size_t i = 0; i < sk_CRYPTO_BUFFER_num(chain); ++i) {
    const CRYPTO_BUFFER *buffer = sk_CRYPTO_BUFFER_value(chain, i);
    out.emplace_back(CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer));
  }
  return out;
}

}  // namespace

ssl_verify_result_t on_verify(SSL *ssl, std::uint8_t *alert) {
  return connection_of(ssl)->verify(alert);
}

void on_message(int is_write, int /*version*/, int content_type, const void *data, std::size_t size,
                SSL *ssl, void * /*argument*/) {
  if (is_write != 0 || content_type != SSL3_RT_HANDSHAKE) return;
  if (Connection *connection = connection_of(ssl); connection != nullptr) {
    connection->message({static_cast<const std::uint8_t *>(data), size});
  }
}

const SSL_PRIVATE_KEY_METHOD *private_key_method() {
  static constexpr SSL_PRIVATE_KEY_METHOD method = {
      .sign = on_sign, .decrypt = nullptr, .complete = on_complete};
  return &method;
}

ssl_verify_result_t Connection::verify(std::uint8_t *alert) {
  if (judgement_ == Judgement::done) return ssl_verify_ok;
  if (judgement_ == Judgement::none) {
    judgement_ = Judgement::due;
    return ssl_verify_retry;
  }
  bool remembered = false;
  Verdict verdict = judge_peer(&remembered);
  certificate_message_ = {};
  if (verdict.refusal != Refusal::none) {
    refusal_ = verdict.refusal;
    detail_ = std::move(verdict.detail);
    *alert = verdict.alert;
    return ssl_verify_invalid;
  }
  peer_ = std::move(verdict.peer);
  judgement_ = Judgement::done;
  if (!SSL_session_reused(ssl_.get())) limit_session();
  return remembered ? ssl_verify_ok : ssl_verify_retry;
}

Verdict Connection::judge_peer(bool *remembered) {
  const auto chain = views(SSL_get0_peer_certificates(ssl_.get()));
  const TrustBundle &bundle = self_->bundle();
  Digest digest;
  digest.add(bundle.trust_domain).add(bundle.version);
  for (const auto &der : chain)
    digest.add(der);
  const Key key = digest.key();

  const Time now = std::chrono::system_clock::now();
  auto &chains = memory_.state().chains;
  Verdict verdict;
  if (const PeerIdentity *known = chains.find(key); known != nullptr && now < known->not_after) {
    *remembered = true;
    verdict.peer = *known;
  } else {
    *remembered = false;
    verdict = judge(chain, bundle, now);
    if (verdict.refusal != Refusal::none) return verdict;
    chains.put(key, verdict.peer);
  }
  if (is_client() && verdict.peer.id != server_->id) {
    return refuse_peer(Refusal::unexpected_identity, "the server is " + verdict.peer.id.text() +
                                                         ", expected " + server_->id.text());
  }
  return verdict;
}

// The chain in a Certificate message (RFC 8446 section 4.4.2) that libssl refused.
std::optional<Verdict> Connection::judge_message() const {
  CBS message, list;
  std::uint8_t type = 0;
  CBS body, request_context;
  CBS_init(&message, certificate_message_.data(), certificate_message_.size());
  if (!CBS_get_u8(&message, &type) || !CBS_get_u24_length_prefixed(&message, &body) ||
      !CBS_get_u8_length_prefixed(&body, &request_context) ||
      !CBS_get_u24_length_prefixed(&body, &list)) {
    return std::nullopt;
  }
  std::vector<std::span<const std::uint8_t>> chain;
  while (CBS_len(&list) != 0) {
    CBS certificate, extensions;
    if (!CBS_get_u24_length_prefixed(&list, &certificate) ||
        !CBS_get_u16_length_prefixed(&list, &extensions)) {
      return std::nullopt;
    }
    chain.emplace_back(CBS_data(&certificate), CBS_len(&certificate));
  }
  if (chain.empty()) return std::nullopt;
  return judge(chain, self_->bundle(), std::chrono::system_clock::now());
}

void Connection::message(std::span<const std::uint8_t> text) {
  if (judgement_ == Judgement::none && text.front() == SSL3_MT_CERTIFICATE) {
    certificate_message_.assign(text.begin(), text.end());
  }
}

// A session, and the ticket made of it, dies before either certificate does. libssl carries this
// limit through resumptions: only a full handshake begins a new one.
void Connection::limit_session() {
  const Time now = std::chrono::system_clock::now();
  const auto left =
      std::chrono::floor<std::chrono::seconds>(std::min(self_->not_after(), peer_.not_after) - now);
  const auto seconds = std::clamp<std::int64_t>(left.count(), 0, ticket_lifetime_max_s);
  SSL_SESSION_set_timeout(SSL_get_session(ssl_.get()), static_cast<std::uint32_t>(seconds));
}

ssl_private_key_result_t Connection::sign_later(std::uint16_t algorithm,
                                                std::span<const std::uint8_t> text) {
  signature_algorithm_ = algorithm;
  text_to_sign_.assign(text.begin(), text.end());
  return ssl_private_key_retry;
}

ssl_private_key_result_t Connection::sign(std::span<std::uint8_t> out,
                                          std::size_t *out_size) const {
  const EVP_MD *digest = SSL_get_signature_algorithm_digest(signature_algorithm_);  // none: Ed25519
  bssl::ScopedEVP_MD_CTX context;
  EVP_PKEY_CTX *key_context = nullptr;
  *out_size = out.size();
  const bool pss = SSL_is_signature_algorithm_rsa_pss(signature_algorithm_) != 0;
  const bool good =
      EVP_DigestSignInit(context.get(), &key_context, digest, nullptr,
                         self_->svid().key.native()) &&
      (!pss || (EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST))) &&
      EVP_DigestSign(context.get(), out.data(), out_size, text_to_sign_.data(),
                     text_to_sign_.size());
  return good ? ssl_private_key_success : ssl_private_key_failure;
}

}  // namespace culvert
