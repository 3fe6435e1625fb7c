// SPDX-License-Identifier: Apache-2.0
#include "certificates.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

namespace culvert::test {
namespace {

using std::chrono::seconds;

bssl::UniquePtr<EVP_PKEY> weak_rsa() {
  bssl::UniquePtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nullptr));
  EVP_PKEY *key = nullptr;
  ENSURE(context && EVP_PKEY_keygen_init(context.get()));
  ENSURE(EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 1024));
  ENSURE(EVP_PKEY_keygen(context.get(), &key));
  return bssl::UniquePtr<EVP_PKEY>(key);
}

const EVP_PKEY_ALG *algorithm(KeyKind kind) {
  switch (kind) {
    case KeyKind::p224:
      return EVP_pkey_ec_p224();
    case KeyKind::p256:
      return EVP_pkey_ec_p256();
    case KeyKind::p384:
      return EVP_pkey_ec_p384();
    case KeyKind::p521:
      return EVP_pkey_ec_p521();
    case KeyKind::ed25519:
      return EVP_pkey_ed25519();
    case KeyKind::rsa1024:
    case KeyKind::rsa2048:
      return EVP_pkey_rsa();
  }
  return nullptr;
}

// An extension in libcrypto's config syntax: "critical,CA:TRUE".
void add_text(X509 *to, int nid, const std::string &value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, nullptr, to, nullptr, nullptr, 0);
  const bssl::UniquePtr<X509_EXTENSION> made(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
  ENSURE(made && X509_add_ext(to, made.get(), -1));
}

void add_name(GENERAL_NAMES *to, int kind, const std::string &text) {
  bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
  ASN1_IA5STRING *value = ASN1_IA5STRING_new();
  ENSURE(name && value &&
         ASN1_STRING_set(value, text.data(), static_cast<ossl_ssize_t>(text.size())));
  GENERAL_NAME_set0_value(name.get(), kind, value);
  ENSURE(bssl::PushToStack(to, std::move(name)));
}

void add_names(X509 *to, const Recipe &recipe) {
  if (recipe.uris.empty() && recipe.dns.empty()) return;
  const bssl::UniquePtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
  for (const std::string &uri : recipe.uris)
    add_name(names.get(), GEN_URI, uri);
  for (const std::string &dns : recipe.dns)
    add_name(names.get(), GEN_DNS, dns);
  ENSURE(X509_add1_ext_i2d(to, NID_subject_alt_name, names.get(), recipe.common_name.empty(), 0));
}

// Any 160 bits that belong to the key alone will do.
bssl::UniquePtr<ASN1_OCTET_STRING> key_identifier(const PrivateKey &subject) {
  std::uint8_t *der = nullptr;
  const int size = i2d_PUBKEY(subject.native(), &der);
  const bssl::UniquePtr<std::uint8_t> free_der(der);
  ENSURE(size > 0);
  const auto digest = sha256({der, static_cast<std::size_t>(size)});
  bssl::UniquePtr<ASN1_OCTET_STRING> out(ASN1_OCTET_STRING_new());
  ENSURE(out && ASN1_STRING_set(out.get(), digest.data(), 20));
  return out;
}

void set_common_name(X509_NAME *to, const std::string &text) {
  if (text.empty()) return;
  ENSURE(X509_NAME_add_entry_by_NID(to, NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const std::uint8_t *>(text.data()),
                                    static_cast<ossl_ssize_t>(text.size()), -1, 0));
}

void add_extensions(X509 *to, const PrivateKey &subject, const Recipe &recipe) {
  const auto identifier = key_identifier(subject);
  ENSURE(X509_add1_ext_i2d(to, NID_subject_key_identifier, identifier.get(), 0, 0));
  if (recipe.ca) {
    const std::string length =
        recipe.path_length ? ",pathlen:" + std::to_string(*recipe.path_length) : "";
    add_text(to, NID_basic_constraints, "critical,CA:TRUE" + length);
  }
  if (recipe.key_usage) add_text(to, NID_key_usage, *recipe.key_usage);
  if (recipe.extended_key_usage) add_text(to, NID_ext_key_usage, *recipe.extended_key_usage);
  if (recipe.name_constraints) add_text(to, NID_name_constraints, *recipe.name_constraints);
  add_names(to, recipe);
}

// `issuer` is null for a certificate that signs itself.
Certificate mint_by(const Certificate *issuer, const PrivateKey &issuer_key,
                    const PrivateKey &subject, const Recipe &recipe) {
  const bssl::UniquePtr<X509> out(X509_new());
  std::array<std::uint8_t, 16> random;
  RAND_bytes(random.data(), random.size());
  const bssl::UniquePtr<BIGNUM> number(BN_bin2bn(random.data(), random.size(), nullptr));
  ENSURE(out && number && X509_set_version(out.get(), X509_VERSION_3));
  ENSURE(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(out.get())));
  const auto posix = [](Time time) {
    return std::chrono::floor<seconds>(time).time_since_epoch().count();
  };
  ENSURE(ASN1_TIME_set_posix(X509_getm_notBefore(out.get()), posix(recipe.not_before)));
  ENSURE(ASN1_TIME_set_posix(X509_getm_notAfter(out.get()), posix(recipe.not_after)));
  set_common_name(X509_get_subject_name(out.get()), recipe.common_name);
  const X509_NAME *issuer_name =
      X509_get_subject_name(issuer != nullptr ? issuer->native() : out.get());
  ENSURE(X509_set_issuer_name(out.get(), issuer_name));
  ENSURE(X509_set_pubkey(out.get(), subject.native()));
  add_extensions(out.get(), subject, recipe);

  const EVP_MD *hash = recipe.sha1 ? EVP_sha1() : EVP_sha256();
  if (EVP_PKEY_id(issuer_key.native()) == EVP_PKEY_ED25519) hash = nullptr;
  ENSURE(X509_sign(out.get(), issuer_key.native(), hash));
  std::uint8_t *der = nullptr;
  const int size = i2d_X509(out.get(), &der);
  const bssl::UniquePtr<std::uint8_t> free_der(der);
  ENSURE(size > 0);
  auto parsed = Certificate::from_der({der, static_cast<std::size_t>(size)});
  ENSURE(parsed);
  return *parsed;
}

}  // namespace

PrivateKey make_key(KeyKind kind) {
  const bssl::UniquePtr<EVP_PKEY> key =
      kind == KeyKind::rsa1024
          ? weak_rsa()
          : bssl::UniquePtr<EVP_PKEY>(EVP_PKEY_generate_from_alg(algorithm(kind)));
  const bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  const std::uint8_t *data = nullptr;
  std::size_t size = 0;
  ENSURE(key && out);
  ENSURE(PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr));
  ENSURE(BIO_mem_contents(out.get(), &data, &size));
  auto made = PrivateKey::from_pem({reinterpret_cast<const char *>(data), size});
  ENSURE(made);
  return *made;
}

Certificate mint(const Signer &signer, const PrivateKey &subject, const Recipe &recipe) {
  return mint_by(&signer.certificate, signer.key, subject, recipe);
}

Signer make_root(const std::string &common_name, Time now, KeyKind kind) {
  const PrivateKey key = make_key(kind);
  const Recipe recipe{.uris = {},
                      .dns = {},
                      .common_name = common_name,
                      .not_before = now - std::chrono::hours(24),
                      .not_after = now + std::chrono::hours(24),
                      .ca = true,
                      .path_length = {},
                      .key_usage = "critical,keyCertSign,cRLSign",
                      .extended_key_usage = {},
                      .name_constraints = {}};
  return {mint_by(nullptr, key, key, recipe), key};
}

}  // namespace culvert::test
