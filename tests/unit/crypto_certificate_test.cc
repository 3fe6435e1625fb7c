// SPDX-License-Identifier: Apache-2.0
// Keys, parsing and issuing; the judgement of chains is identity_verify_test.cc's.
#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <thread>

#include "certificates.h"
#include "culvert/crypto.h"

namespace {

using namespace culvert;
using namespace std::chrono_literals;
using test::KeyKind;

const Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
const std::string web = "spiffe://cluster.local/ns/shop/sa/web";

struct Ca {
  PrivateKey key = *PrivateKey::generate_p256();
  Certificate root = *self_signed_root(
      key, {.uri_name = "spiffe://cluster.local", .not_before = now - 10s, .not_after = now + 24h},
      "test root");
};

CertificateRequest request() {
  return {.uri_name = web, .not_before = now - 10s, .not_after = now + 1h};
}

std::string text_of(const bssl::UniquePtr<BIO> &out) {
  const std::uint8_t *data = nullptr;
  std::size_t size = 0;
  REQUIRE(BIO_mem_contents(out.get(), &data, &size));
  return {reinterpret_cast<const char *>(data), size};
}

}  // namespace

TEST_CASE("crypto: a private key survives PEM, whatever its kind") {
  const KeyKind kind = GENERATE(KeyKind::p256, KeyKind::p384, KeyKind::ed25519, KeyKind::rsa2048);
  const PrivateKey key = test::make_key(kind);
  CHECK(key.pem().starts_with("-----BEGIN PRIVATE KEY-----\n"));
  const auto again = PrivateKey::from_pem(key.pem());
  REQUIRE(again);
  CHECK(again->pem() == key.pem());
}

TEST_CASE("crypto: keys in SEC1 form (behind their parameters) and in PKCS#1 form are read") {
  const PrivateKey ec = test::make_key(KeyKind::p256), rsa = test::make_key(KeyKind::rsa2048);
  const bssl::UniquePtr<BIO> sec1(BIO_new(BIO_s_mem())), pkcs1(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_ECPrivateKey(sec1.get(), EVP_PKEY_get0_EC_KEY(ec.native()), nullptr,
                                     nullptr, 0, nullptr, nullptr));
  REQUIRE(PEM_write_bio_RSAPrivateKey(pkcs1.get(), EVP_PKEY_get0_RSA(rsa.native()), nullptr,
                                      nullptr, 0, nullptr, nullptr));
  const std::string parameters =  // as "openssl ecparam -genkey" writes them: OID prime256v1
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  const auto from_sec1 = PrivateKey::from_pem(parameters + text_of(sec1));
  const auto from_pkcs1 = PrivateKey::from_pem(text_of(pkcs1));
  CHECK_THAT(text_of(sec1), Catch::Matchers::ContainsSubstring("BEGIN EC PRIVATE KEY"));
  CHECK_THAT(text_of(pkcs1), Catch::Matchers::ContainsSubstring("BEGIN RSA PRIVATE KEY"));
  REQUIRE((from_sec1 && from_pkcs1));
  CHECK(from_sec1->pem() == ec.pem());
  CHECK(from_pkcs1->pem() == rsa.pem());
}

TEST_CASE("crypto: what is no private key is refused, and leaves no error behind") {
  const std::string pem = PrivateKey::generate_p256()->pem();
  for (const std::string &text :
       {std::string(), std::string("hello"), pem.substr(0, pem.size() / 2),
        std::string("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}) {
    CHECK_FALSE(PrivateKey::from_pem(text));
    CHECK(ERR_peek_error() == 0);
  }
}

TEST_CASE("crypto: an issued certificate says what was asked, as X509-SVID wants it") {
  const Ca ca;
  const PrivateKey key = *PrivateKey::generate_p256();
  const auto leaf = issue(ca.root, ca.key, key, request());
  REQUIRE(leaf);
  CHECK(leaf->uri_names() == std::vector{web});
  CHECK(leaf->not_before() == now - 10s);
  CHECK(leaf->not_after() == now + 1h);
  CHECK(leaf->subject().empty());
  CHECK(leaf->issuer() == "CN=test root");
  CHECK_FALSE(leaf->is_ca());
  CHECK(leaf->matches(key));
  CHECK_FALSE(leaf->matches(ca.key));
  CHECK(leaf->serial().size() >= 28);  // 128 random bits, rarely a byte or two shorter

  X509 *x509 = leaf->native();
  CHECK(X509_get_key_usage(x509) == X509v3_KU_DIGITAL_SIGNATURE);
  CHECK(X509_get_extended_key_usage(x509) == (XKU_SSL_SERVER | XKU_SSL_CLIENT));
  const int san = X509_get_ext_by_NID(x509, NID_subject_alt_name, -1);
  REQUIRE(san >= 0);
  CHECK(X509_EXTENSION_get_critical(X509_get_ext(x509, san)));
  const int usage = X509_get_ext_by_NID(x509, NID_key_usage, -1);
  REQUIRE(usage >= 0);
  CHECK(X509_EXTENSION_get_critical(X509_get_ext(x509, usage)));
  REQUIRE(X509_get0_subject_key_id(x509) != nullptr);
  REQUIRE(X509_get0_authority_key_id(x509) != nullptr);
  CHECK(ASN1_STRING_cmp(X509_get0_authority_key_id(x509),
                        X509_get0_subject_key_id(ca.root.native())) == 0);

  const auto roots = Roots::create(std::vector{ca.root});
  REQUIRE(roots);
  CHECK(roots->verify(std::vector{*leaf}, now) == CertificateRefusal::none);
}

TEST_CASE("crypto: two certificates have two serial numbers") {
  const Ca ca;
  const PrivateKey key = *PrivateKey::generate_p256();
  CHECK(issue(ca.root, ca.key, key, request())->serial() !=
        issue(ca.root, ca.key, key, request())->serial());
}

TEST_CASE("crypto: a root is a CA with its trust domain's name") {
  const Ca ca;
  CHECK(ca.root.is_ca());
  CHECK(ca.root.uri_names() == std::vector<std::string>{"spiffe://cluster.local"});
  CHECK(ca.root.subject() == "CN=test root");
  CHECK(X509_get_key_usage(ca.root.native()) == (X509v3_KU_KEY_CERT_SIGN | X509v3_KU_CRL_SIGN));
  CHECK(X509_verify(ca.root.native(), ca.key.native()) == 1);
}

TEST_CASE("crypto: an Ed25519 or RSA authority issues too") {
  const KeyKind kind = GENERATE(KeyKind::ed25519, KeyKind::rsa2048, KeyKind::p384);
  const test::Signer root = test::make_root("other kind", now, kind);
  const PrivateKey key = *PrivateKey::generate_p256();
  const auto leaf = issue(root.certificate, root.key, key, request());
  REQUIRE(leaf);
  const auto roots = Roots::create(std::vector{root.certificate});
  REQUIRE(roots);
  CHECK(roots->verify(std::vector{*leaf}, now) == CertificateRefusal::none);
}

TEST_CASE("crypto: an authority whose key is not its certificate's issues nothing") {
  const Ca ca, other;
  CHECK_FALSE(issue(ca.root, other.key, *PrivateKey::generate_p256(), request()));
}

TEST_CASE("crypto: certificates survive PEM, several in one text, others' blocks between") {
  const Ca ca;
  const PrivateKey key = *PrivateKey::generate_p256();
  const auto leaf = issue(ca.root, ca.key, key, request());
  const auto parsed =
      Certificate::from_pem("# a comment\n" + leaf->pem() + key.pem() + ca.root.pem());
  REQUIRE(parsed);
  REQUIRE(parsed->size() == 2);
  CHECK(parsed->at(0).der() == leaf->der());
  CHECK(parsed->at(1).der() == ca.root.der());
}

TEST_CASE("crypto: PEM without a certificate, or with a broken one, is refused") {
  const Ca ca;
  const std::string pem = ca.root.pem();
  CHECK_FALSE(Certificate::from_pem(""));
  CHECK_FALSE(Certificate::from_pem("hello"));
  CHECK_FALSE(Certificate::from_pem(ca.key.pem()));
  CHECK_FALSE(Certificate::from_pem(pem.substr(0, pem.size() - 30)));
  CHECK_FALSE(Certificate::from_pem(pem + pem.substr(0, pem.size() / 2)));
  CHECK_FALSE(
      Certificate::from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("crypto: DER with a byte too many, too few or wrong is refused or another certificate") {
  const Ca ca;
  Bytes longer = ca.root.der();
  longer.push_back(0);
  CHECK_FALSE(Certificate::from_der(longer));
  const Bytes &der = ca.root.der();
  for (std::size_t size = 0; size < der.size(); ++size) {
    CHECK_FALSE(Certificate::from_der(std::span(der).first(size)));
  }
  CHECK_FALSE(Certificate::from_der(Bytes(65 * 1024)));
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("crypto: a name's NUL does not end it") {
  const test::Signer root = test::make_root("root", now);
  const std::string trick = web + std::string("\0.evil", 6);
  test::Recipe recipe;
  recipe.uris = {trick};
  recipe.not_before = now;
  recipe.not_after = now + 1h;
  CHECK(test::mint(root, test::make_key(), recipe).uri_names() == std::vector{trick});
}

TEST_CASE("crypto: a certificate without end ends very late") {
  const test::Signer root = test::make_root("root", now);
  // 9999-12-31T23:59:59Z, RFC 5280 section 4.1.2.5; Time cannot hold it, so it is written by hand.
  const bssl::UniquePtr<X509> x509(X509_dup(root.certificate.native()));
  REQUIRE(ASN1_TIME_set_posix(X509_getm_notAfter(x509.get()), 253402300799));
  REQUIRE(X509_sign(x509.get(), root.key.native(), EVP_sha256()));
  std::uint8_t *der = nullptr;
  const int size = i2d_X509(x509.get(), &der);
  const bssl::UniquePtr<std::uint8_t> free_der(der);
  const auto parsed = Certificate::from_der({der, static_cast<std::size_t>(size)});
  REQUIRE(parsed);
  CHECK(parsed->not_after() > now + std::chrono::years(190));
}

TEST_CASE("crypto: roots must be there and be CAs") {
  const Ca ca;
  const auto leaf = issue(ca.root, ca.key, *PrivateKey::generate_p256(), request());
  CHECK_FALSE(Roots::create({}));
  CHECK_FALSE(Roots::create(std::vector{ca.root, *leaf}));
  CHECK(Roots::create(std::vector{ca.root, ca.root}));
}

TEST_CASE("crypto: old and new root together accept the leaves of both") {
  const Ca before, after;
  const auto roots = Roots::create(std::vector{before.root, after.root});
  REQUIRE(roots);
  for (const Ca *ca : {&before, &after}) {
    const auto leaf = issue(ca->root, ca->key, *PrivateKey::generate_p256(), request());
    CHECK(roots->verify(std::vector{*leaf}, now) == CertificateRefusal::none);
  }
}

TEST_CASE("crypto: an intermediate may be a root") {
  const test::Signer root = test::make_root("root", now);
  test::Recipe recipe{};
  recipe.common_name = "middle";
  recipe.not_before = now - 1h;
  recipe.not_after = now + 1h;
  recipe.ca = true;
  recipe.key_usage = "critical,keyCertSign";
  recipe.extended_key_usage = {};
  const PrivateKey key = test::make_key();
  const Certificate middle = test::mint(root, key, recipe);
  const auto leaf = issue(middle, key, *PrivateKey::generate_p256(), request());
  REQUIRE(leaf);
  const auto roots = Roots::create(std::vector{middle});
  REQUIRE(roots);
  CHECK(roots->verify(std::vector{*leaf}, now) == CertificateRefusal::none);
}

TEST_CASE("crypto: roots and certificates are shared by threads") {
  const Ca ca;
  const auto leaf = issue(ca.root, ca.key, *PrivateKey::generate_p256(), request());
  const auto roots = Roots::create(std::vector{ca.root});
  const std::vector chain{*leaf};
  std::array<int, 4> good{};
  {
    std::vector<std::jthread> threads;
    for (int &count : good) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) {
          const auto again = Certificate::from_der(chain.front().der());
          count += roots->verify(chain, now) == CertificateRefusal::none &&
                   again->uri_names() == chain.front().uri_names();
        }
      });
    }
  }
  for (const int count : good)
    CHECK(count == 100);
}
