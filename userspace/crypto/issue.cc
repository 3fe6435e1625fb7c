// SPDX-License-Identifier: Apache-2.0
// Making certificates: SVIDs as X509-SVID.md wants them, and the root that signs them.
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <algorithm>

#include "culvert/crypto.h"
#include "native.h"

namespace culvert {
namespace {

// RFC 7093 section 2, method 1: the first 160 bits of SHA-256 over the public key.
bssl::UniquePtr<ASN1_OCTET_STRING> key_identifier(const X509 *certificate) {
  const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(certificate);
  const auto digest =
      sha256({ASN1_STRING_get0_data(key), static_cast<std::size_t>(ASN1_STRING_length(key))});
  bssl::UniquePtr<ASN1_OCTET_STRING> out(ASN1_OCTET_STRING_new());
  if (out && !ASN1_STRING_set(out.get(), digest.data(), 20)) out.reset();
  return out;
}

bool add(X509 *to, int nid, void *value, bool critical) {
  return value != nullptr && X509_add1_ext_i2d(to, nid, value, critical ? 1 : 0, 0) == 1;
}

bool add_key_usage(X509 *to, std::initializer_list<int> bits) {
  const bssl::UniquePtr<ASN1_BIT_STRING> usage(ASN1_BIT_STRING_new());
  return usage &&
         std::ranges::all_of(
             bits, [&](int bit) { return ASN1_BIT_STRING_set_bit(usage.get(), bit, 1) == 1; }) &&
         add(to, NID_key_usage, usage.get(), true);
}

bool add_extended_key_usage(X509 *to) {
  const bssl::UniquePtr<EXTENDED_KEY_USAGE> usage(EXTENDED_KEY_USAGE_new());
  if (!usage) return false;
  for (const int nid : {NID_server_auth, NID_client_auth}) {
    bssl::UniquePtr<ASN1_OBJECT> object(OBJ_nid2obj(nid));
    if (!object || !bssl::PushToStack(usage.get(), std::move(object))) return false;
  }
  return add(to, NID_ext_key_usage, usage.get(), false);
}

bool add_uri_name(X509 *to, std::string_view uri, bool critical) {
  const bssl::UniquePtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
  bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
  bssl::UniquePtr<ASN1_IA5STRING> text(ASN1_IA5STRING_new());
  if (!names || !name || !text ||
      !ASN1_STRING_set(text.get(), uri.data(), static_cast<ossl_ssize_t>(uri.size()))) {
    return false;
  }
  GENERAL_NAME_set0_value(name.get(), GEN_URI, text.release());
  return bssl::PushToStack(names.get(), std::move(name)) &&
         add(to, NID_subject_alt_name, names.get(), critical);
}

bool add_authority_key_identifier(X509 *to, const X509 *authority) {
  const ASN1_OCTET_STRING *known = X509_get0_subject_key_id(authority);
  const bssl::UniquePtr<AUTHORITY_KEYID> identifier(AUTHORITY_KEYID_new());
  if (known == nullptr) return true;  // a root without one: nothing to point at
  if (!identifier) return false;
  identifier->keyid = ASN1_OCTET_STRING_dup(known);
  return identifier->keyid && add(to, NID_authority_key_identifier, identifier.get(), false);
}

bool set_time(ASN1_TIME *to, Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  return ASN1_TIME_set_posix(to, seconds) != nullptr;
}

// A random serial number of 128 bits: unique without anything to remember.
bool set_serial(X509 *to) {
  std::array<std::uint8_t, 16> random;
  RAND_bytes(random.data(), random.size());
  const bssl::UniquePtr<BIGNUM> number(BN_bin2bn(random.data(), random.size(), nullptr));
  const bssl::UniquePtr<ASN1_INTEGER> serial(number ? BN_to_ASN1_INTEGER(number.get(), nullptr)
                                                    : nullptr);
  return serial && X509_set_serialNumber(to, serial.get());
}

// What a leaf and a root have in common; the caller adds names and extensions, then signs.
bssl::UniquePtr<X509> begin(const PrivateKey &subject_key, const CertificateRequest &request) {
  bssl::UniquePtr<X509> out(X509_new());
  if (!out || !X509_set_version(out.get(), X509_VERSION_3) || !set_serial(out.get()) ||
      !set_time(X509_getm_notBefore(out.get()), request.not_before) ||
      !set_time(X509_getm_notAfter(out.get()), request.not_after) ||
      !X509_set_pubkey(out.get(), subject_key.native())) {
    return nullptr;
  }
  const auto identifier = key_identifier(out.get());
  if (!add(out.get(), NID_subject_key_identifier, identifier.get(), false)) return nullptr;
  return out;
}

Result<Certificate> sign(X509 *certificate, const PrivateKey &key) {
  const EVP_MD *hash = EVP_PKEY_id(key.native()) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  if (!X509_sign(certificate, key.native(), hash)) return native::failure("signing failed");
  std::uint8_t *der = nullptr;
  const int size = i2d_X509(certificate, &der);
  const bssl::UniquePtr<std::uint8_t> free_der(der);
  if (size < 0) return native::failure("certificate cannot be encoded");
  return Certificate::from_der({der, static_cast<std::size_t>(size)});
}

}  // namespace

Result<Certificate> issue(const Certificate &authority, const PrivateKey &authority_key,
                          const PrivateKey &subject_key, const CertificateRequest &request) {
  if (!authority.matches(authority_key)) {
    return fail({"the authority's key is not its certificate's", 0, ErrorSource::x509});
  }
  const auto out = begin(subject_key, request);
  constexpr int digital_signature = 0;  // bits of KeyUsage, RFC 5280 section 4.2.1.3
  if (!out || !X509_set_issuer_name(out.get(), X509_get_subject_name(authority.native())) ||
      !add_authority_key_identifier(out.get(), authority.native()) ||
      !add_key_usage(out.get(), {digital_signature}) || !add_extended_key_usage(out.get()) ||
      !add_uri_name(out.get(), request.uri_name, true)) {  // critical: the subject is empty
    return native::failure("certificate cannot be built");
  }
  return sign(out.get(), authority_key);
}

Result<Certificate> self_signed_root(const PrivateKey &key, const CertificateRequest &request,
                                     std::string_view common_name) {
  const auto out = begin(key, request);
  const bssl::UniquePtr<X509_NAME> name(X509_NAME_new());
  const bssl::UniquePtr<BASIC_CONSTRAINTS> constraints(BASIC_CONSTRAINTS_new());
  constexpr int key_cert_sign = 5, crl_sign = 6;
  if (!out || !name || !constraints ||
      !X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_UTF8,
                                  reinterpret_cast<const std::uint8_t *>(common_name.data()),
                                  static_cast<ossl_ssize_t>(common_name.size()), -1, 0) ||
      !X509_set_subject_name(out.get(), name.get()) ||
      !X509_set_issuer_name(out.get(), name.get())) {
    return native::failure("root certificate cannot be built");
  }
  constraints->ca = ASN1_BOOLEAN_TRUE;
  if (!add(out.get(), NID_basic_constraints, constraints.get(), true) ||
      !add_key_usage(out.get(), {key_cert_sign, crl_sign}) ||
      (!request.uri_name.empty() && !add_uri_name(out.get(), request.uri_name, false))) {
    return native::failure("root certificate cannot be built");
  }
  return sign(out.get(), key);
}

}  // namespace culvert
