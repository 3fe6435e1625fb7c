// SPDX-License-Identifier: Apache-2.0
// Judging a chain: size, the leaf by X509-SVID.md, then the RFC 5280 path to a root.
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/x509.h>

#include "culvert/crypto.h"
#include "native.h"

namespace culvert {
namespace {

constexpr std::size_t chain_length_max = 10;
constexpr std::size_t chain_size_max = 64 * 1024;
constexpr int rsa_bits_min = 2048;

bool strong_key(const X509 *certificate) {
  const EVP_PKEY *key = X509_get0_pubkey(certificate);
  if (key == nullptr) return false;
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA:
      return EVP_PKEY_bits(key) >= rsa_bits_min;
    case EVP_PKEY_ED25519:
      return true;
    case EVP_PKEY_EC: {
      const int curve = EVP_PKEY_get_ec_curve_nid(key);
      return curve == NID_X9_62_prime256v1 || curve == NID_secp384r1;
    }
    default:
      return false;
  }
}

// MD5 and SHA-1 signatures can be forged with a collision; libcrypto still accepts SHA-1.
bool strong_signature(const X509 *certificate) {
  switch (X509_get_signature_nid(certificate)) {
    case NID_md5WithRSAEncryption:
    case NID_sha1WithRSAEncryption:
    case NID_sha1WithRSA:
    case NID_ecdsa_with_SHA1:
      return false;
    default:
      return true;
  }
}

// X509-SVID.md sections 4.1 to 4.4 and the key; nothing here needs a root.
CertificateRefusal judge_leaf(const X509 *leaf) {
  using enum CertificateRefusal;
  const std::uint32_t flags = X509_get_extension_flags(leaf);
  const std::uint32_t usage = X509_get_key_usage(leaf);
  const std::uint32_t extended = X509_get_extended_key_usage(leaf);
  if (flags & EXFLAG_CA) return leaf_is_ca;
  if (!(flags & EXFLAG_KUSAGE)) return wrong_key_usage;  // absent would read as "all usages"
  if (usage & (X509v3_KU_KEY_CERT_SIGN | X509v3_KU_CRL_SIGN)) return leaf_is_ca;
  if (!(usage & X509v3_KU_DIGITAL_SIGNATURE)) return wrong_key_usage;
  if (!(extended & XKU_SSL_SERVER) || !(extended & XKU_SSL_CLIENT)) return wrong_extended_key_usage;
  if (!strong_key(leaf)) return weak_key;
  return none;
}

CertificateRefusal refusal_of(int error) {
  using enum CertificateRefusal;
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:  // a root of the same name, but not of the same key
      return unknown_authority;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return not_yet_valid;
    default:
      return chain_invalid;
  }
}

// Everything between the leaf and the root must be as strong as the leaf.
bool strong_path(X509_STORE_CTX *context) {
  const STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(context);
  const std::size_t length = sk_X509_num(path);
  for (std::size_t i = 0; i < length; ++i) {
    const X509 *certificate = sk_X509_value(path, i);
    if (!strong_key(certificate)) return false;
    const bool anchor = i + 1 == length;  // trusted as it is: nobody checks its signature
    if (!anchor && !strong_signature(certificate)) return false;
  }
  return true;
}

}  // namespace

std::string_view name(CertificateRefusal refusal) {
  using enum CertificateRefusal;
  switch (refusal) {
    case none:
      return "none";
    case malformed:
      return "malformed";
    case unknown_authority:
      return "unknown_authority";
    case expired:
      return "expired";
    case not_yet_valid:
      return "not_yet_valid";
    case no_spiffe_id:
      return "no_spiffe_id";
    case two_uri_names:
      return "two_uri_names";
    case invalid_spiffe_id:
      return "invalid_spiffe_id";
    case leaf_is_ca:
      return "leaf_is_ca";
    case wrong_key_usage:
      return "wrong_key_usage";
    case wrong_extended_key_usage:
      return "wrong_extended_key_usage";
    case weak_key:
      return "weak_key";
    case chain_invalid:
      return "chain_invalid";
  }
  return "unknown";
}

Result<Roots> Roots::create(std::span<const Certificate> roots) {
  if (roots.empty()) return fail({"no root certificate", 0, ErrorSource::x509});
  Roots out;
  out.store_.reset(X509_STORE_new(), X509_STORE_free);
  if (!out.store_) return native::failure("out of memory");
  X509_VERIFY_PARAM *rules = X509_STORE_get0_param(out.store_.get());
  // A bundle may hold an intermediate as its root; usages are judged by judge_leaf(), since
  // X509-SVID asks for both EKUs and libcrypto's purposes ask for one.
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_depth(rules, static_cast<int>(chain_length_max));
  if (!X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_ANY)) {
    return native::failure("no purpose 'any'");
  }
  for (const Certificate &root : roots) {
    if (!root.is_ca()) return fail({"root certificate without cA", 0, ErrorSource::x509});
    if (!X509_STORE_add_cert(out.store_.get(), root.native())) {
      return native::failure("root certificate not accepted");
    }
  }
  return out;
}

CertificateRefusal Roots::verify(std::span<const Certificate> chain, Time now) const {
  using enum CertificateRefusal;
  if (chain.empty() || chain.size() > chain_length_max) return malformed;
  std::size_t size = 0;
  for (const Certificate &certificate : chain)
    size += certificate.der().size();
  if (size > chain_size_max) return malformed;
  if (!store_) return unknown_authority;

  X509 *leaf = chain.front().native();
  if (const auto refusal = judge_leaf(leaf); refusal != none) return refusal;

  const bssl::UniquePtr<STACK_OF(X509)> others(sk_X509_new_null());
  const bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  ENSURE(others && context);
  for (const Certificate &certificate : chain.subspan(1)) {
    ENSURE(bssl::PushToStack(others.get(), bssl::UpRef(certificate.native())));
  }
  ENSURE(X509_STORE_CTX_init(context.get(), store_.get(), leaf, others.get()));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  X509_STORE_CTX_set_time_posix(context.get(), 0, seconds);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!good) return refusal_of(X509_STORE_CTX_get_error(context.get()));
  return strong_path(context.get()) ? none : weak_key;
}

}  // namespace culvert
