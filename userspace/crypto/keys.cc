// SPDX-License-Identifier: Apache-2.0
// Private keys, and the two small tools everyone needs: SHA-256 and hex.
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/sha2.h>

#include "culvert/crypto.h"
#include "native.h"

namespace culvert {

std::array<std::uint8_t, 32> sha256(std::span<const std::uint8_t> data) {
  std::array<std::uint8_t, 32> out;
  SHA256(data.data(), data.size(), out.data());
  return out;
}

std::string hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 0xf];
  }
  return out;
}

Result<PrivateKey> PrivateKey::generate_p256() {
  PrivateKey out;
  out.key_.reset(EVP_PKEY_generate_from_alg(EVP_pkey_ec_p256()), EVP_PKEY_free);
  if (!out.key_) return native::failure("P-256 key generation failed");
  return out;
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  const auto in = native::reader(pem);
  // Nobody is there to type a password: an encrypted key is an error.
  const auto no_password = [](char *, int, int, void *) { return -1; };
  PrivateKey out;
  if (in) {
    out.key_.reset(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr), EVP_PKEY_free);
  }
  if (!out.key_) return native::failure("no unencrypted private key in PEM");
  return out;
}

std::string PrivateKey::pem() const {
  const auto out = native::writer();
  ENSURE(PEM_write_bio_PrivateKey(out.get(), native(), nullptr, nullptr, 0, nullptr, nullptr));
  return native::written(out);
}

}  // namespace culvert
