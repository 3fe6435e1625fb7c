// SPDX-License-Identifier: Apache-2.0
// Private to node: SVIDs made ready for the handshake. A TlsIdentity is made anew when its SVID or
// the trust bundle changes, and never outlives its SVID's validity.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "culvert/handshake.h"
#include "culvert/identity.h"

namespace culvert {

class Identities {
 public:
  Identities(std::unique_ptr<IdentitySource> source, TlsIdentity::Options options)
      : store_(std::move(source)), options_(std::move(options)) {}

  void want(const std::set<SpiffeId> &ids);
  bool advance();  // true: some identity changed: publish a new view
  std::shared_ptr<const TlsIdentity> find(const SpiffeId &id);
  const CertificateStore &store() const { return store_; }

 private:
  CertificateStore store_;
  const TlsIdentity::Options options_;
  struct Ready {
    std::shared_ptr<const Svid> svid;
    std::shared_ptr<const TrustBundle> bundle;
    std::shared_ptr<const TlsIdentity> identity;
  };
  std::map<SpiffeId, Ready> ready_;
};

}  // namespace culvert
