// SPDX-License-Identifier: Apache-2.0
#include "judge.h"

#include <openssl/ssl.h>

#include <ctime>

namespace culvert {
namespace {

Refusal refusal_of(CertificateRefusal refusal) {
  switch (refusal) {
    case CertificateRefusal::none:
      return Refusal::none;
    case CertificateRefusal::malformed:
      return Refusal::certificate_malformed;
    case CertificateRefusal::unknown_authority:
      return Refusal::certificate_unknown_authority;
    case CertificateRefusal::expired:
      return Refusal::certificate_expired;
    case CertificateRefusal::not_yet_valid:
      return Refusal::certificate_not_yet_valid;
    case CertificateRefusal::no_spiffe_id:
      return Refusal::certificate_no_spiffe_id;
    case CertificateRefusal::two_uri_names:
      return Refusal::certificate_two_uri_names;
    case CertificateRefusal::invalid_spiffe_id:
      return Refusal::certificate_invalid_spiffe_id;
    case CertificateRefusal::leaf_is_ca:
      return Refusal::certificate_leaf_is_ca;
    case CertificateRefusal::wrong_key_usage:
      return Refusal::certificate_wrong_key_usage;
    case CertificateRefusal::wrong_extended_key_usage:
      return Refusal::certificate_wrong_extended_key_usage;
    case CertificateRefusal::weak_key:
      return Refusal::certificate_weak_key;
    case CertificateRefusal::chain_invalid:
      return Refusal::certificate_chain_invalid;
  }
  return Refusal::certificate_chain_invalid;
}

std::uint8_t alert_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::certificate_expired:
    case Refusal::certificate_not_yet_valid:
      return SSL_AD_CERTIFICATE_EXPIRED;
    case Refusal::certificate_unknown_authority:
    case Refusal::unknown_trust_domain:
      return SSL_AD_UNKNOWN_CA;
    case Refusal::certificate_wrong_key_usage:
    case Refusal::certificate_wrong_extended_key_usage:
    case Refusal::certificate_weak_key:
      return SSL_AD_UNSUPPORTED_CERTIFICATE;
    case Refusal::unexpected_identity:
      return SSL_AD_CERTIFICATE_UNKNOWN;
    default:
      return SSL_AD_BAD_CERTIFICATE;
  }
}

std::string seconds_text(Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  const auto clock = static_cast<std::time_t>(seconds);
  std::tm parts{};
  char out[32] = "";
  if (gmtime_r(&clock, &parts) != nullptr) {
    std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  return out;
}

// "spiffe://a/ns/b/sa/c, serial 0a1b, issuer CN=x, valid A to B"; bounded, whatever the leaf holds.
std::string describe(const Certificate &leaf) {
  const auto names = leaf.uri_names();
  std::string out = names.empty() ? "no URI name" : printable(names.front());
  if (names.size() > 1) out += " and " + printable(names[1]);
  if (names.size() > 2) out += " and " + std::to_string(names.size() - 2) + " more";
  return out + ", serial " + printable(leaf.serial()) + ", issuer " + printable(leaf.issuer()) +
         ", valid " + seconds_text(leaf.not_before()) + " to " + seconds_text(leaf.not_after());
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t limit = 256;
  std::string out;
  for (const char c : text.substr(0, limit))
    out += c >= 0x20 && c < 0x7f ? c : '?';
  if (text.size() > limit) out += "...";
  return out;
}

Verdict refuse_peer(Refusal refusal, std::string detail) {
  return {.refusal = refusal, .alert = alert_of(refusal), .detail = std::move(detail), .peer = {}};
}

Verdict judge(std::span<const std::span<const std::uint8_t>> chain, const TrustBundle &bundle,
              Time now) {
  std::vector<Certificate> certificates;
  for (const auto &der : chain) {
    auto certificate = Certificate::from_der(der);
    if (!certificate) {
      return refuse_peer(Refusal::certificate_malformed,
                         "certificate " + std::to_string(certificates.size() + 1) +
                             " of the peer's chain does not parse");
    }
    certificates.push_back(*certificate);
  }
  if (certificates.empty()) return refuse_peer(Refusal::no_certificate, "the peer sent none");

  const Certificate &leaf = certificates.front();
  if (const auto names = leaf.uri_names(); names.size() == 1) {
    const auto id = SpiffeId::parse(names.front());
    if (id && id->trust_domain() != bundle.trust_domain) {
      return refuse_peer(Refusal::unknown_trust_domain,
                         describe(leaf) + "; ours is " + bundle.trust_domain);
    }
  }
  auto peer = verify_peer(certificates, bundle, now);
  if (!peer) return refuse_peer(refusal_of(peer.error()), describe(leaf));
  return {.refusal = Refusal::none, .alert = 0, .detail = {}, .peer = std::move(*peer)};
}

}  // namespace culvert
