// SPDX-License-Identifier: Apache-2.0
// Record protection against the published trace (RFC 8448 section 3), against HMAC done by hand,
// and against tampering.
#include <openssl/aead.h>
#include <openssl/digest.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <utility>

#include "culvert/crypto.h"

namespace {

using namespace culvert;

constexpr CipherSuite suites[] = {CipherSuite::aes_128_gcm_sha256, CipherSuite::aes_256_gcm_sha384,
                                  CipherSuite::chacha20_poly1305_sha256};

Bytes unhex(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(
        static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

TrafficKeys keys_of(CipherSuite suite, const Bytes &secret) {
  TrafficKeys keys;
  keys.suite = suite;
  keys.secret_size = static_cast<std::uint8_t>(secret.size());
  std::ranges::copy(secret, keys.secret.begin());
  return keys;
}

TrafficKeys keys_of(CipherSuite suite) {
  Bytes secret(suite == CipherSuite::aes_256_gcm_sha384 ? 48 : 32);
  for (std::size_t i = 0; i < secret.size(); ++i)
    secret[i] = static_cast<std::uint8_t>(i * 7 + 1);
  return keys_of(suite, secret);
}

std::string secret_of(const TrafficKeys &keys) {
  return hex(std::span(keys.secret).first(keys.secret_size));
}

// HKDF-Expand-Label for outputs of one hash at most: HMAC(secret, info || 0x01), RFC 5869.
Bytes expand_by_hand(const TrafficKeys &keys, const std::string &label, std::size_t size) {
  const EVP_MD *hash = keys.secret_size == 48 ? EVP_sha384() : EVP_sha256();
  Bytes info{0, static_cast<std::uint8_t>(size), static_cast<std::uint8_t>(6 + label.size())};
  for (const char c : "tls13 " + label)
    info.push_back(static_cast<std::uint8_t>(c));
  info.push_back(0);
  info.push_back(1);
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned written = 0;
  HMAC(hash, keys.secret.data(), keys.secret_size, info.data(), info.size(), out.data(), &written);
  REQUIRE(written >= size);
  out.resize(size);
  return out;
}

// A record's text with room for the tag behind it.
struct Record {
  Bytes buffer;
  std::array<std::uint8_t, 5> header{0x17, 3, 3, 0, 0};
  explicit Record(const Bytes &text) : buffer(text) {
    buffer.resize(text.size() + RecordCipher::tag_size);
    header[3] = static_cast<std::uint8_t>(buffer.size() >> 8);
    header[4] = static_cast<std::uint8_t>(buffer.size() & 0xff);
  }
  std::span<std::uint8_t> text() {
    return std::span(buffer).first(buffer.size() - RecordCipher::tag_size);
  }
};

}  // namespace

TEST_CASE("crypto: keys and ivs are those of the published trace") {
  const auto server = record_key(
      keys_of(CipherSuite::aes_128_gcm_sha256,
              unhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")));
  CHECK(server.key_size == 16);
  CHECK(hex(std::span(server.key).first(16)) == "9f02283b6c9c07efc26bb9f2ac92e356");
  CHECK(hex(server.iv) == "cf782b88dd83549aadf1e984");
}

TEST_CASE("crypto: the first client record of the published trace, sealed and opened") {
  const auto keys =
      keys_of(CipherSuite::aes_128_gcm_sha256,
              unhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"));
  Bytes text(50);
  for (std::size_t i = 0; i < text.size(); ++i)
    text[i] = static_cast<std::uint8_t>(i);
  text.push_back(0x17);  // the inner content type
  Record record(text);
  CHECK(hex(record.header) == "1703030043");
  auto cipher = RecordCipher::create(keys);
  REQUIRE(cipher);
  cipher->seal(record.text(), record.header, 0);
  CHECK(
      hex(record.buffer) ==
      "a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e"
      "1f5a6292a2977014bd1e3deae63aeebb21694915e4");
  REQUIRE(cipher->open(record.buffer, record.header, 0));
  CHECK(std::ranges::equal(record.text(), text));
}

TEST_CASE("crypto: the next generation of the published secrets") {
  // RFC 8448 has no KeyUpdate; these values are a second TLS library's for the same secrets.
  const auto client = next_generation(
      keys_of(CipherSuite::aes_128_gcm_sha256,
              unhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")));
  CHECK(secret_of(client) == "fcdfcc72725aaee48bf64e4fd8b749cdbdbab39d90da0b26e2245ca6ea167207");
  const auto server = next_generation(
      keys_of(CipherSuite::aes_128_gcm_sha256,
              unhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")));
  CHECK(secret_of(server) == "51921b8aa3001976eb401d0a4319a8516416a6c56001a357e5d162031e84f916");
}

TEST_CASE("crypto: every suite derives as HMAC by hand does") {
  const CipherSuite suite = GENERATE(from_range(suites));
  TrafficKeys keys = keys_of(suite);
  keys.sequence = 77;
  for (int generation = 0; generation < 3; ++generation) {
    const RecordKey key = record_key(keys);
    CHECK(hex(std::span(key.key).first(key.key_size)) ==
          hex(expand_by_hand(keys, "key", key.key_size)));
    CHECK(hex(key.iv) == hex(expand_by_hand(keys, "iv", 12)));
    const TrafficKeys next = next_generation(keys);
    CHECK(secret_of(next) == hex(expand_by_hand(keys, "traffic upd", keys.secret_size)));
    CHECK(next.sequence == 0);
    CHECK(next.suite == suite);
    keys = next;
  }
}

TEST_CASE("crypto: every suite's key has the suite's size and name") {
  CHECK(record_key(keys_of(CipherSuite::aes_128_gcm_sha256)).key_size == 16);
  CHECK(record_key(keys_of(CipherSuite::aes_256_gcm_sha384)).key_size == 32);
  CHECK(record_key(keys_of(CipherSuite::chacha20_poly1305_sha256)).key_size == 32);
  CHECK(name(CipherSuite::aes_128_gcm_sha256) == "TLS_AES_128_GCM_SHA256");
  CHECK(name(CipherSuite::aes_256_gcm_sha384) == "TLS_AES_256_GCM_SHA384");
  CHECK(name(CipherSuite::chacha20_poly1305_sha256) == "TLS_CHACHA20_POLY1305_SHA256");
}

TEST_CASE("crypto: a record's nonce is the iv with the sequence over its last eight bytes") {
  const CipherSuite suite = GENERATE(from_range(suites));
  const TrafficKeys keys = keys_of(suite);
  const RecordKey key = record_key(keys);
  const std::uint64_t sequence = 0x0102030405060708;
  const Bytes text = unhex("68656c6c6f17");
  Record record(text);
  auto cipher = RecordCipher::create(keys);
  REQUIRE(cipher);
  cipher->seal(record.text(), record.header, sequence);

  auto nonce = key.iv;
  for (std::size_t i = 0; i < 8; ++i)
    nonce[4 + i] = static_cast<std::uint8_t>(nonce[4 + i] ^ (i + 1));
  const EVP_AEAD *aead = suite == CipherSuite::aes_128_gcm_sha256   ? EVP_aead_aes_128_gcm()
                         : suite == CipherSuite::aes_256_gcm_sha384 ? EVP_aead_aes_256_gcm()
                                                                    : EVP_aead_chacha20_poly1305();
  const bssl::UniquePtr<EVP_AEAD_CTX> other(
      EVP_AEAD_CTX_new(aead, key.key.data(), key.key_size, 16));
  Bytes expected(text.size() + 16);
  std::size_t size = 0;
  REQUIRE(EVP_AEAD_CTX_seal(other.get(), expected.data(), &size, expected.size(), nonce.data(), 12,
                            text.data(), text.size(), record.header.data(), 5));
  CHECK(hex(record.buffer) == hex(expected));
}

TEST_CASE("crypto: records of every size survive the round trip, in order") {
  const CipherSuite suite = GENERATE(from_range(suites));
  auto sender = RecordCipher::create(keys_of(suite));
  auto receiver = RecordCipher::create(keys_of(suite));
  REQUIRE((sender && receiver));
  std::uint64_t sequence = 0;
  for (const std::size_t size : {1u, 2u, 15u, 16u, 17u, 255u, 1000u, 16384u, 16385u}) {
    Bytes text(size);
    for (std::size_t i = 0; i < size; ++i)
      text[i] = static_cast<std::uint8_t>(i * 31 + size);
    Record record(text);
    sender->seal(record.text(), record.header, sequence);
    CHECK((size < 8 || !std::ranges::equal(record.text(), text)));
    REQUIRE(receiver->open(record.buffer, record.header, sequence));
    CHECK(std::ranges::equal(record.text(), text));
    ++sequence;
  }
}

TEST_CASE("crypto: a changed bit anywhere, another number or another key does not open") {
  const CipherSuite suite = GENERATE(from_range(suites));
  auto cipher = RecordCipher::create(keys_of(suite));
  REQUIRE(cipher);
  Record sealed(unhex("000102030405060708090a0b17"));
  cipher->seal(sealed.text(), sealed.header, 5);

  for (std::size_t i = 0; i < sealed.buffer.size(); ++i) {
    Record changed = sealed;
    changed.buffer[i] ^= 0x01;
    CHECK_FALSE(cipher->open(changed.buffer, changed.header, 5));
  }
  for (std::size_t i = 0; i < sealed.header.size(); ++i) {
    Record changed = sealed;
    changed.header[i] ^= 0x01;
    CHECK_FALSE(cipher->open(changed.buffer, changed.header, 5));
  }
  Record replayed = sealed;
  CHECK_FALSE(cipher->open(replayed.buffer, replayed.header, 6));
  auto other = RecordCipher::create(next_generation(keys_of(suite)));
  REQUIRE(other);
  Record foreign = sealed;
  CHECK_FALSE(other->open(foreign.buffer, foreign.header, 5));
  CHECK(cipher->open(sealed.buffer, sealed.header, 5));
}

TEST_CASE("crypto: a record shorter than a tag does not open") {
  auto cipher = RecordCipher::create(keys_of(CipherSuite::aes_128_gcm_sha256));
  REQUIRE(cipher);
  const std::array<std::uint8_t, 5> header{0x17, 3, 3, 0, 15};
  Bytes shorter(15);
  CHECK_FALSE(cipher->open(shorter, header, 0));
  CHECK_FALSE(cipher->open(std::span(shorter).first(0), header, 0));
}

TEST_CASE("crypto: a secret of the wrong size or an unknown suite makes no cipher") {
  TrafficKeys keys = keys_of(CipherSuite::aes_256_gcm_sha384);
  keys.secret_size = 32;
  CHECK_FALSE(RecordCipher::create(keys));
  keys.suite = static_cast<CipherSuite>(0x1304);
  CHECK_FALSE(RecordCipher::create(keys));
  CHECK(name(keys.suite) == "unknown");
}

TEST_CASE("crypto: a moved cipher goes on, and is small") {
  static_assert(sizeof(RecordCipher) <= 64);
  static_assert(sizeof(evp_aead_ctx_st) <= 640);
  auto made = RecordCipher::create(keys_of(CipherSuite::chacha20_poly1305_sha256));
  REQUIRE(made);
  RecordCipher first = std::move(*made);
  Record record(unhex("aabbcc17"));
  first.seal(record.text(), record.header, 1);
  RecordCipher second = std::move(first);
  CHECK(second.open(record.buffer, record.header, 1));
  CHECK(hex(record.text()) == "aabbcc17");
}

TEST_CASE("crypto: sha256 and hex, known answers") {
  const Bytes abc{'a', 'b', 'c'};
  CHECK(hex(sha256(abc)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(Bytes{}).empty());
}
