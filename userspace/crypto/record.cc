// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 record protection: secrets to keys (RFC 8446 section 7.3), records in place (5.2, 5.3).
#include <openssl/aead.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/hkdf.h>
#include <openssl/mem.h>

#include <algorithm>
#include <utility>

#include "culvert/crypto.h"

namespace culvert {
namespace {

struct SuiteFacts {
  std::string_view name;
  const EVP_AEAD *aead;
  const EVP_MD *hash;
  std::uint8_t key_size;
  std::uint8_t secret_size;
};

// RFC 8446 B.4. `aead` is null for anything else.
SuiteFacts facts(CipherSuite suite) {
  switch (suite) {
    case CipherSuite::aes_128_gcm_sha256:
      return {"TLS_AES_128_GCM_SHA256", EVP_aead_aes_128_gcm(), EVP_sha256(), 16, 32};
    case CipherSuite::aes_256_gcm_sha384:
      return {"TLS_AES_256_GCM_SHA384", EVP_aead_aes_256_gcm(), EVP_sha384(), 32, 48};
    case CipherSuite::chacha20_poly1305_sha256:
      return {"TLS_CHACHA20_POLY1305_SHA256", EVP_aead_chacha20_poly1305(), EVP_sha256(), 32, 32};
  }
  return {"unknown", nullptr, nullptr, 0, 0};
}

// HKDF-Expand-Label with an empty context, RFC 8446 section 7.1:
// struct { uint16 length; opaque label<7..255> = "tls13 " + label; opaque context<0..255>; }
void expand_label(const TrafficKeys &keys, std::string_view label, std::span<std::uint8_t> out) {
  constexpr std::string_view prefix = "tls13 ";
  const SuiteFacts suite = facts(keys.suite);
  ENSURE(suite.aead != nullptr && keys.secret_size == suite.secret_size);
  std::array<std::uint8_t, 32> info;
  ENSURE(4 + prefix.size() + label.size() <= info.size());
  auto end = info.begin();
  *end++ = 0;
  *end++ = static_cast<std::uint8_t>(out.size());
  *end++ = static_cast<std::uint8_t>(prefix.size() + label.size());
  end = std::copy(prefix.begin(), prefix.end(), end);
  end = std::copy(label.begin(), label.end(), end);
  *end++ = 0;
  ENSURE(HKDF_expand(out.data(), out.size(), suite.hash, keys.secret.data(), keys.secret_size,
                     info.data(), static_cast<std::size_t>(end - info.begin())));
}

// The IV with the record's number, 64 bits big endian, over its last eight bytes (section 5.3).
std::array<std::uint8_t, 12> nonce_of(std::array<std::uint8_t, 12> iv, std::uint64_t sequence) {
  for (std::size_t i = 0; i < 8; ++i) {
    iv[11 - i] = static_cast<std::uint8_t>(iv[11 - i] ^ ((sequence >> (8 * i)) & 0xff));
  }
  return iv;
}

}  // namespace

std::string_view name(CipherSuite suite) { return facts(suite).name; }

TrafficKeys::~TrafficKeys() { OPENSSL_cleanse(secret.data(), secret.size()); }

RecordKey::~RecordKey() {
  OPENSSL_cleanse(key.data(), key.size());
  OPENSSL_cleanse(iv.data(), iv.size());
}

RecordKey record_key(const TrafficKeys &keys) {
  RecordKey out;
  out.key_size = facts(keys.suite).key_size;
  expand_label(keys, "key", std::span(out.key).first(out.key_size));
  expand_label(keys, "iv", out.iv);
  return out;
}

TrafficKeys next_generation(const TrafficKeys &keys) {
  TrafficKeys out;
  out.suite = keys.suite;
  out.secret_size = keys.secret_size;
  expand_label(keys, "traffic upd", std::span(out.secret).first(out.secret_size));
  return out;
}

void RecordCipher::Free::operator()(evp_aead_ctx_st *context) const { EVP_AEAD_CTX_free(context); }

RecordCipher::RecordCipher(RecordCipher &&) noexcept = default;
RecordCipher &RecordCipher::operator=(RecordCipher &&) noexcept = default;
RecordCipher::~RecordCipher() { OPENSSL_cleanse(iv_.data(), iv_.size()); }

Result<RecordCipher> RecordCipher::create(const TrafficKeys &keys) {
  const SuiteFacts suite = facts(keys.suite);
  if (suite.aead == nullptr || keys.secret_size != suite.secret_size) {
    return fail({"record keys: unknown cipher suite or wrong secret size", 0, ErrorSource::record});
  }
  const RecordKey key = record_key(keys);
  RecordCipher out;
  out.iv_ = key.iv;
  out.context_.reset(
      EVP_AEAD_CTX_new(suite.aead, key.key.data(), key.key_size, EVP_AEAD_DEFAULT_TAG_LENGTH));
  if (!out.context_) {
    ERR_clear_error();
    return fail({"record keys: libcrypto refuses them", 0, ErrorSource::record});
  }
  return out;
}

void RecordCipher::seal(std::span<std::uint8_t> text, std::span<const std::uint8_t, 5> header,
                        std::uint64_t sequence) {
  const auto nonce = nonce_of(iv_, sequence);
  std::size_t written = 0;
  ENSURE(EVP_AEAD_CTX_seal_scatter(context_.get(), text.data(), text.data() + text.size(), &written,
                                   tag_size, nonce.data(), nonce.size(), text.data(), text.size(),
                                   nullptr, 0, header.data(), header.size()));
  ENSURE(written == tag_size);
}

bool RecordCipher::open(std::span<std::uint8_t> text, std::span<const std::uint8_t, 5> header,
                        std::uint64_t sequence) {
  if (text.size() < tag_size) return false;
  const auto nonce = nonce_of(iv_, sequence);
  std::size_t written = 0;
  if (EVP_AEAD_CTX_open(context_.get(), text.data(), &written, text.size(), nonce.data(),
                        nonce.size(), text.data(), text.size(), header.data(), header.size())) {
    return true;
  }
  ERR_clear_error();
  return false;
}

}  // namespace culvert
