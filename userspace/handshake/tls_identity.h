// SPDX-License-Identifier: Apache-2.0
// tls_identity: a TlsIdentity as libssl wants it.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "culvert/handshake.h"
#include "recent.h"

namespace culvert {

inline constexpr std::uint32_t ticket_lifetime_max_s = 3600;

// One SSL_CTX per identity: its ticket keys are born and die with it, so a ticket never survives a
// new certificate or a new bundle. Thread-safe: SSL_CTX locks what it changes (ticket keys).
class Credentials final : public TlsIdentity {
 public:
  Credentials(std::shared_ptr<const Svid> svid, std::shared_ptr<const TrustBundle> bundle,
              const Options &options);

  // Fills the SSL_CTX; once, before anyone else sees this.
  Result<> prepare(const Options &options);

  const Svid &svid() const override { return *svid_; }
  const TrustBundle &bundle() const override { return *bundle_; }
  SSL_CTX *context() const { return context_.get(); }
  bool resumption() const { return resumption_; }
  // SHA-256 of our SPIFFE ID, leaf and bundle: what a ticket is bound to on our side.
  const Key &fingerprint() const { return fingerprint_; }
  Time not_after() const { return not_after_; }  // earliest of our chain

 private:
  std::shared_ptr<const Svid> svid_;
  std::shared_ptr<const TrustBundle> bundle_;
  bool resumption_;
  Key fingerprint_;
  Time not_after_;
  bssl::UniquePtr<SSL_CTX> context_;
};

}  // namespace culvert
