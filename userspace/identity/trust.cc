// SPDX-License-Identifier: Apache-2.0
// Whom we believe: a trust domain's bundle, and the judgement of a peer's chain by it.
#include <algorithm>

#include "culvert/identity.h"

namespace culvert {

Result<TrustBundle> TrustBundle::create(std::string trust_domain,
                                        std::vector<Certificate> certificates) {
  Roots roots = TRY(Roots::create(certificates));
  Bytes all;
  for (const Certificate &certificate : certificates) {
    all.insert(all.end(), certificate.der().begin(), certificate.der().end());
  }
  return TrustBundle{.trust_domain = std::move(trust_domain),
                     .certificates = std::move(certificates),
                     .roots = std::move(roots),
                     .version = sha256(all)};
}

Result<PeerIdentity, CertificateRefusal> verify_peer(std::span<const Certificate> chain,
                                                     const TrustBundle &bundle, Time now) {
  using enum CertificateRefusal;
  const auto refuse = [](CertificateRefusal refusal) { return std::unexpected(refusal); };
  if (chain.empty()) return refuse(malformed);

  const std::vector<std::string> names = chain.front().uri_names();
  if (names.empty()) return refuse(no_spiffe_id);
  if (names.size() > 1) return refuse(two_uri_names);
  if (!names.front().starts_with("spiffe://")) return refuse(no_spiffe_id);
  std::optional<SpiffeId> id = SpiffeId::parse(names.front());
  if (!id || id->path().empty()) return refuse(invalid_spiffe_id);

  // A root may speak for its own trust domain only, even if two domains share it.
  if (id->trust_domain() != bundle.trust_domain) return refuse(unknown_authority);
  if (const auto refusal = bundle.roots.verify(chain, now); refusal != none) return refuse(refusal);

  Time not_after = Time::max();
  for (const Certificate &certificate : chain) {
    not_after = std::min(not_after, certificate.not_after());
  }
  return PeerIdentity{std::move(*id), not_after};
}

}  // namespace culvert
