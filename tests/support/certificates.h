// SPDX-License-Identifier: Apache-2.0
// certificates: for tests, every kind of certificate a peer may show us, good and bad. Made with
// libcrypto directly, since our own rooms rightly make only good ones.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "culvert/crypto.h"

namespace culvert::test {

enum class KeyKind { p224, p256, p384, p521, ed25519, rsa1024, rsa2048 };
PrivateKey make_key(KeyKind kind = KeyKind::p256);

// A certificate that signs, and its key.
struct Signer {
  Certificate certificate;
  PrivateKey key;
};

// What stands in one certificate; the defaults are those of a good leaf.
struct Recipe {
  std::vector<std::string> uris;  // bytes as they are, also illegal ones
  std::vector<std::string> dns;
  std::string common_name;  // empty: an empty subject, and a critical SAN
  Time not_before, not_after;
  bool ca = false;
  std::optional<int> path_length;
  std::optional<std::string> key_usage = "critical,digitalSignature";  // libcrypto's config syntax
  std::optional<std::string> extended_key_usage = "serverAuth,clientAuth";
  std::optional<std::string> name_constraints;
  bool sha1 = false;
};
Certificate mint(const Signer &signer, const PrivateKey &subject, const Recipe &recipe);
// A root of its own (self-signed, cA, keyCertSign), valid from a day before `now` to a day after.
Signer make_root(const std::string &common_name, Time now, KeyKind kind = KeyKind::p256);

// One chain a peer might show, its key, and how verify_peer must judge it.
struct CertificateCase {
  std::string name;  // "two-uri-names": a directory's name too
  CertificateRefusal expected;
  std::vector<Certificate> chain;  // leaf first
  PrivateKey key;
};

struct CaseOptions {
  std::string spiffe_id = "spiffe://cluster.local/ns/shop/sa/web";
  std::chrono::seconds ttl{3600};
  Time now = std::chrono::system_clock::now();
};
// Every case, signed (directly or not) by `root` except where that is the fault.
std::vector<CertificateCase> certificate_cases(const Signer &root, const CaseOptions &options);

}  // namespace culvert::test
