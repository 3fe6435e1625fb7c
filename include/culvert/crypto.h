// SPDX-License-Identifier: Apache-2.0
// crypto: the few cryptographic things culvert needs, in its own types. The only user of
// libcrypto (BoringSSL) besides handshake; no BoringSSL type appears here.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/result.h"

// libcrypto's own names, so that handshake can reach what these handles hold.
struct evp_pkey_st;
struct x509_st;
struct x509_store_st;
struct evp_aead_ctx_st;

namespace culvert {

using Bytes = std::vector<std::uint8_t>;
using Time = std::chrono::system_clock::time_point;

// ---- TLS 1.3 record protection (RFC 8446 sections 5.2, 5.3, 7.3) ----------------------------

enum class CipherSuite : std::uint16_t {  // IANA values, RFC 8446 B.4
  aes_128_gcm_sha256 = 0x1301,
  aes_256_gcm_sha384 = 0x1302,
  chacha20_poly1305_sha256 = 0x1303,
};
std::string_view name(CipherSuite suite);  // "TLS_AES_128_GCM_SHA256"

// A traffic secret and the number of the next record under it. The number is not always 0: a
// NewSessionTicket is already a record under the application keys.
struct TrafficKeys {
  CipherSuite suite{};
  std::uint8_t secret_size = 0;  // 32 or 48: the suite's hash
  std::array<std::uint8_t, 48> secret{};
  std::uint64_t sequence = 0;  // host order
  ~TrafficKeys();              // wiped
  TrafficKeys() = default;
  TrafficKeys(const TrafficKeys &) = default;
  TrafficKeys &operator=(const TrafficKeys &) = default;
};

// Key and IV of a suite from its secret: HKDF-Expand-Label(secret, "key"/"iv", "", n).
struct RecordKey {
  std::array<std::uint8_t, 32> key{};
  std::uint8_t key_size = 0;
  std::array<std::uint8_t, 12> iv{};
  ~RecordKey();  // wiped
};
RecordKey record_key(const TrafficKeys &keys);
// The next generation after a KeyUpdate: HKDF-Expand-Label(secret, "traffic upd", "", n), sequence
// 0.
TrafficKeys next_generation(const TrafficKeys &keys);

// RecordCipher protects or opens the records of one direction, in place. 64 bytes and one
// allocation of libcrypto's context.
class RecordCipher {
 public:
  static Result<RecordCipher> create(const TrafficKeys &keys);
  RecordCipher(RecordCipher &&) noexcept;
  RecordCipher &operator=(RecordCipher &&) noexcept;
  ~RecordCipher();

  static constexpr std::size_t tag_size = 16;
  // Encrypts `text` (content plus inner type byte) in place and writes the tag behind it
  // (16 bytes there are ours). `header` is the record header: the additional data.
  void seal(std::span<std::uint8_t> text, std::span<const std::uint8_t, 5> header,
            std::uint64_t sequence);
  // Decrypts `text` (ciphertext and tag) in place; content and type are in front, tag removed.
  // False: the tag does not match: end the connection (bad_record_mac).
  [[nodiscard]] bool open(std::span<std::uint8_t> text, std::span<const std::uint8_t, 5> header,
                          std::uint64_t sequence);

 private:
  struct Free {
    void operator()(evp_aead_ctx_st *context) const;
  };
  RecordCipher() = default;
  std::unique_ptr<evp_aead_ctx_st, Free> context_;
  std::array<std::uint8_t, 12> iv_{};
};

std::array<std::uint8_t, 32> sha256(std::span<const std::uint8_t> data);
std::string hex(std::span<const std::uint8_t> bytes);

// ---- keys and certificates ------------------------------------------------------------------

class PrivateKey {
 public:
  static Result<PrivateKey> generate_p256();
  static Result<PrivateKey> from_pem(std::string_view pem);  // PKCS#8, SEC1, PKCS#1
  std::string pem() const;                                   // PKCS#8
  evp_pkey_st *native() const { return key_.get(); }

 private:
  std::shared_ptr<evp_pkey_st> key_;
};

// Certificate is one parsed X.509 certificate. Immutable, cheap to copy.
class Certificate {
 public:
  static Result<Certificate> from_der(std::span<const std::uint8_t> der);
  static Result<std::vector<Certificate>> from_pem(std::string_view pem);  // one or more
  std::string pem() const;
  const Bytes &der() const { return *der_; }
  Time not_before() const;  // both held between 1970 and 2223
  Time not_after() const;
  std::string serial() const;   // lower-case hex
  std::string subject() const;  // RFC 2253
  std::string issuer() const;
  bool is_ca() const;  // basicConstraints cA
  bool matches(const PrivateKey &key) const;
  // The URI SANs as length-delimited bytes; never cut at a NUL.
  std::vector<std::string> uri_names() const;
  x509_st *native() const { return certificate_.get(); }

 private:
  std::shared_ptr<x509_st> certificate_;
  std::shared_ptr<const Bytes> der_;
};

// Why a chain or a leaf was refused; each has its own counter (name()).
enum class CertificateRefusal : std::uint8_t {
  none,
  malformed,          // does not parse, too long (more than 10 certificates or 64 KiB)
  unknown_authority,  // no path to a root of the bundle
  expired,
  not_yet_valid,
  no_spiffe_id,       // no URI SAN, or not spiffe://
  two_uri_names,      // more than one URI SAN
  invalid_spiffe_id,  // syntax (SPIFFE-ID.md section 2)
  leaf_is_ca,         // cA, keyCertSign or cRLSign on the leaf
  wrong_key_usage,    // keyUsage without digitalSignature
  wrong_extended_key_usage,  // EKU present without serverAuth and clientAuth
  weak_key,           // RSA below 2048 bits, unknown curve
  chain_invalid,      // anything else of RFC 5280 (intermediate without cA, path length, ...)
};
std::string_view name(CertificateRefusal refusal);

// Roots is a set of trusted CA certificates ready for use. Immutable, shared by threads.
class Roots {
 public:
  static Result<Roots> create(std::span<const Certificate> roots);
  // RFC 5280 path from `chain` (leaf first) to a root at `now`, and every check of
  // CertificateRefusal that needs no knowledge of SPIFFE IDs (all but no_spiffe_id, two_uri_names,
  // invalid_spiffe_id).
  CertificateRefusal verify(std::span<const Certificate> chain, Time now) const;

 private:
  std::shared_ptr<x509_store_st> store_;
};

// What a CA writes into an SVID or into its own root.
struct CertificateRequest {
  std::string uri_name;  // the SPIFFE ID; the only SAN, critical as the subject is empty
  Time not_before, not_after;
};
Result<Certificate> issue(const Certificate &authority, const PrivateKey &authority_key,
                          const PrivateKey &subject_key, const CertificateRequest &request);
Result<Certificate> self_signed_root(const PrivateKey &key, const CertificateRequest &request,
                                     std::string_view common_name);

}  // namespace culvert
