// SPDX-License-Identifier: Apache-2.0
// identity: who a workload is (SPIFFE ID), how it proves it (SVID), whom it believes (TrustBundle),
// and where these come from. Knows nothing of TLS or of the network.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/crypto.h"
#include "culvert/result.h"

namespace culvert {

// SpiffeId is a valid SPIFFE ID (SPIFFE-ID.md section 2): never normalised, compared byte by byte.
// A workload's has a non-root path; that of a trust domain (an authority's) has an empty one.
class SpiffeId {
 public:
  static std::optional<SpiffeId> parse(std::string_view text);
  // spiffe://<trustDomain>/ns/<namespace>/sa/<serviceaccount>; nullopt if a part is not legal
  static std::optional<SpiffeId> workload(std::string_view trust_domain, std::string_view ns,
                                          std::string_view service_account);
  const std::string &text() const;
  std::string_view trust_domain() const;
  std::string_view path() const;  // "/ns/a/sa/b"
  std::strong_ordering operator<=>(const SpiffeId &other) const { return text() <=> other.text(); }
  bool operator==(const SpiffeId &other) const {
    return text_ == other.text_ || text() == other.text();
  }

 private:
  std::shared_ptr<const std::string> text_;  // null: empty; copies share it: every tunnel has two
};

struct Svid {
  SpiffeId id;
  std::vector<Certificate> chain;  // leaf first, without the root
  PrivateKey key;
  Time not_before() const { return chain.front().not_before(); }
  Time not_after() const { return chain.front().not_after(); }
};

// TrustBundle is the roots of one trust domain. A peer is judged only by the bundle of the trust
// domain in its own SPIFFE ID.
struct TrustBundle {
  std::string trust_domain;
  std::vector<Certificate> certificates;
  Roots roots;
  std::array<std::uint8_t, 32> version;  // SHA-256 over the roots' DER
  static Result<TrustBundle> create(std::string trust_domain,
                                    std::vector<Certificate> certificates);
};

// What a verified chain says. `id` is the one parsed identity used for everything.
struct PeerIdentity {
  SpiffeId id;
  Time not_after;  // earliest of the chain
};
// All checks of a peer's chain: syntax and number of URI SANs first, then the path.
Result<PeerIdentity, CertificateRefusal> verify_peer(std::span<const Certificate> chain,
                                                     const TrustBundle &bundle, Time now);

// IdentitySource gives SVIDs; the seam behind which authority, files and SPIFFE stand.
class IdentitySource {
 public:
  virtual ~IdentitySource() = default;
  virtual std::string_view name() const = 0;  // "authority"
  virtual Result<std::shared_ptr<const Svid>, Problem> fetch(const SpiffeId &id) = 0;
  virtual std::shared_ptr<const TrustBundle> bundle() const = 0;
};

// The built-in authority: a P-256 root in `directory` (ca.crt, ca.key 0600, made once under a lock
// file so that two nodes starting together share one). For one machine, demos and tests.
// SVIDs are P-256, backdated by 10 s, live for `ttl` (>= 1 s), never past the root.
Result<std::unique_ptr<IdentitySource>, Problem> create_authority(const std::string &directory,
                                                                  std::chrono::seconds ttl,
                                                                  const std::string &trust_domain);

// CertificateStore holds the SVIDs of the identities that local pods need, and renews them at half
// of their life (with jitter; on failure it retries with backoff 0.5 s to 150 s and keeps the old
// one until it expires). Control thread only; time is given, so tests need no clock.
class CertificateStore {
 public:
  struct Entry {
    SpiffeId id;
    std::shared_ptr<const Svid> svid;  // null: none yet, or expired
    Time renew_at;
    std::string error;  // of the last attempt; empty: it succeeded
  };
  explicit CertificateStore(std::unique_ptr<IdentitySource> source);
  ~CertificateStore();

  // The identities needed from now on: new ones are fetched, others dropped.
  void want(const std::set<SpiffeId> &ids, Time now);
  // Renews what is due and drops what expired; the identities whose SVID changed or went in this
  // call (after want() the caller looks at all of its own).
  std::vector<SpiffeId> advance(Time now);
  std::optional<Time> next_deadline() const;  // when advance() has something to do again
  std::shared_ptr<const Svid> svid(const SpiffeId &id) const;  // null: fail closed
  std::shared_ptr<const TrustBundle> bundle() const;
  std::vector<Entry> entries() const;
  std::string_view source_name() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace culvert
