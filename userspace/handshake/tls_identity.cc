// SPDX-License-Identifier: Apache-2.0
#include "tls_identity.h"

#include <openssl/err.h>
#include <openssl/pool.h>

#include <algorithm>
#include <array>

#include "connection.h"
#include "memory.h"

namespace culvert {
namespace {

constexpr std::array<std::uint16_t, 3> groups = {SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519,
                                                 SSL_GROUP_SECP256R1};

// What a peer may sign with. PKCS#1 is for the certificates of its chain (RFC 8446 section 4.2.3);
// libssl takes it for nothing else in TLS 1.3.
constexpr std::array<std::uint16_t, 9> peer_algorithms = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
    SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA256,
    SSL_SIGN_RSA_PSS_RSAE_SHA384,    SSL_SIGN_RSA_PSS_RSAE_SHA512,
    SSL_SIGN_RSA_PKCS1_SHA256,       SSL_SIGN_RSA_PKCS1_SHA384,
    SSL_SIGN_RSA_PKCS1_SHA512};

constexpr std::size_t chain_size_max = 65536;  // crypto refuses longer ones; no need to read them

Failure failure(const char *what) {
  const auto reason = static_cast<std::int32_t>(ERR_GET_REASON(ERR_peek_last_error()));
  ERR_clear_error();
  return fail({what, reason, ErrorSource::tls});
}

// Certificates of peers, each once in the process, however many sessions hold it.
CRYPTO_BUFFER_POOL *pool() {
  static const bssl::UniquePtr<CRYPTO_BUFFER_POOL> made(CRYPTO_BUFFER_POOL_new());
  ENSURE(made);
  return made.get();
}

// What `key` signs with in TLS 1.3; empty: nothing.
std::vector<std::uint16_t> signature_algorithms(const EVP_PKEY *key) {
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_ED25519:
      return {SSL_SIGN_ED25519};
    case EVP_PKEY_RSA:
      return {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384,
              SSL_SIGN_RSA_PSS_RSAE_SHA512};
    case EVP_PKEY_EC:
      if (EVP_PKEY_get_ec_curve_nid(key) == NID_X9_62_prime256v1) {
        return {SSL_SIGN_ECDSA_SECP256R1_SHA256};
      }
      if (EVP_PKEY_get_ec_curve_nid(key) == NID_secp384r1) {
        return {SSL_SIGN_ECDSA_SECP384R1_SHA384};
      }
      return {};
    default:
      return {};
  }
}

// A peer that offers culvert/1 gets it; to any other we are bare, whatever it offered.
int select_protocol(SSL * /*ssl*/, const std::uint8_t **out, std::uint8_t *out_size,
                    const std::uint8_t *offered, unsigned size, void * /*argument*/) {
  CBS list;
  CBS_init(&list, offered, size);
  for (CBS name; CBS_get_u8_length_prefixed(&list, &name) != 0;) {
    const std::string_view text(reinterpret_cast<const char *>(CBS_data(&name)), CBS_len(&name));
    if (text != tunnel_protocol) continue;
    *out = CBS_data(&name);
    *out_size = static_cast<std::uint8_t>(CBS_len(&name));
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

Bytes protocol_list() {
  Bytes out = {static_cast<std::uint8_t>(tunnel_protocol.size())};
  out.insert(out.end(), tunnel_protocol.begin(), tunnel_protocol.end());
  return out;
}

Result<> set_chain_and_key(SSL_CTX *context, const Svid &svid) {
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
  std::vector<CRYPTO_BUFFER *> chain;
  for (const Certificate &certificate : svid.chain) {
    const Bytes &der = certificate.der();
    owned.emplace_back(CRYPTO_BUFFER_new(der.data(), der.size(), pool()));
    chain.push_back(owned.back().get());
  }
  const auto algorithms = signature_algorithms(svid.key.native());
  if (algorithms.empty()) return fail({"SVID: key of a kind TLS 1.3 has not", 0, ErrorSource::tls});
  if (!SSL_CTX_set_chain_and_key(context, chain.data(), chain.size(), nullptr,
                                 private_key_method()) ||
      !SSL_CTX_set_signing_algorithm_prefs(context, algorithms.data(), algorithms.size())) {
    return failure("SVID: certificate chain not accepted");
  }
  return {};
}

}  // namespace

Credentials::Credentials(std::shared_ptr<const Svid> svid,
                         std::shared_ptr<const TrustBundle> bundle, const Options &options)
    : svid_(std::move(svid)),
      bundle_(std::move(bundle)),
      resumption_(options.resumption),
      fingerprint_(Digest()
                       .add(svid_->id.text())
                       .add(svid_->chain.front().der())
                       .add(bundle_->trust_domain)
                       .add(bundle_->version)
                       .key()),
      not_after_(svid_->not_after()) {
  for (const Certificate &certificate : svid_->chain) {
    not_after_ = std::min(not_after_, certificate.not_after());
  }
}

Result<> Credentials::prepare(const Options &options) {
  context_.reset(SSL_CTX_new(TLS_with_buffers_method()));
  if (!context_) return failure("TLS: no context");
  SSL_CTX *const context = context_.get();
  SSL_CTX_set1_buffer_pool(context, pool());
  SSL_CTX_set_max_cert_list(context, chain_size_max);

  std::vector<std::uint16_t> suites;
  suites.reserve(options.cipher_suites.size());
  for (const CipherSuite suite : options.cipher_suites) {
    suites.push_back(static_cast<std::uint16_t>(suite));
  }
  const Bytes protocols = protocol_list();
  if (!SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
      !SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) ||
      !SSL_CTX_set1_tls13_ciphers(context, suites.data(), nullptr, suites.size()) ||
      !SSL_CTX_set1_group_ids(context, groups.data(), groups.size()) ||
      !SSL_CTX_set_verify_algorithm_prefs(context, peer_algorithms.data(),
                                          peer_algorithms.size()) ||
      SSL_CTX_set_alpn_protos(context, protocols.data(), protocols.size()) != 0 ||  // 0: success
      !SSL_CTX_set_session_id_context(context, fingerprint_.data(), fingerprint_.size())) {
    return failure("TLS: settings not accepted");
  }
  SSL_CTX_set_alpn_select_cb(context, select_protocol, nullptr);
  SSL_CTX_set_custom_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
  SSL_CTX_set_reverify_on_resume(context, 1);
  SSL_CTX_set_msg_callback(context, on_message);

  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // the sessions are ours to keep
  SSL_CTX_set_session_psk_dhe_timeout(context, ticket_lifetime_max_s);
  SSL_CTX_set_early_data_enabled(context, 0);
  SSL_CTX_set_num_tickets(context, resumption_ ? 1 : 0);
  if (!resumption_) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  return set_chain_and_key(context, *svid_);
}

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::create(
    std::shared_ptr<const Svid> svid, std::shared_ptr<const TrustBundle> bundle,
    const Options &options) {
  if (!svid || svid->chain.empty()) return fail({"SVID: no certificate", 0, ErrorSource::tls});
  if (!bundle) return fail({"no trust bundle", 0, ErrorSource::tls});
  if (options.cipher_suites.empty()) {
    return fail({"TLS: no cipher suite allowed", 0, ErrorSource::tls});
  }
  if (!svid->chain.front().matches(svid->key)) {
    return fail({"SVID: the key is not the certificate's", 0, ErrorSource::tls});
  }
  auto out = std::make_shared<Credentials>(std::move(svid), std::move(bundle), options);
  TRY(out->prepare(options));
  return out;
}

}  // namespace culvert
