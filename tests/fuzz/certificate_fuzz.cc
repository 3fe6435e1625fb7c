// SPDX-License-Identifier: Apache-2.0
// A peer's certificates are the first bytes of a stranger that we parse: nothing of them may crash
// us, and none may be accepted by a bundle whose key it was not signed with.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "culvert/identity.h"

namespace {

using namespace culvert;

TrustBundle make_bundle() {
  const auto key = PrivateKey::generate_p256();
  const Time now = std::chrono::system_clock::now();
  const CertificateRequest request{.uri_name = "spiffe://cluster.local",
                                   .not_before = now,
                                   .not_after = now + std::chrono::hours(24)};
  auto root = self_signed_root(*key, request, "fuzz");
  return *TrustBundle::create("cluster.local", {*root});
}

void look_at(const Certificate &certificate) {
  (void)(certificate.not_after() - certificate.not_before());
  (void)certificate.serial();
  (void)certificate.subject();
  (void)certificate.issuer();
  (void)certificate.is_ca();
  for (const std::string &name : certificate.uri_names())
    (void)SpiffeId::parse(name);
  const auto again = Certificate::from_pem(certificate.pem());
  ENSURE(again && again->size() == 1);
}

void judge(const std::vector<Certificate> &chain) {
  static const TrustBundle bundle = make_bundle();
  const Certificate &leaf = chain.front();
  const Time middle = leaf.not_before() + (leaf.not_after() - leaf.not_before()) / 2;
  ENSURE(!verify_peer(chain, bundle, middle));
  // As its own root too, so that the path is walked.
  const auto self = TrustBundle::create("cluster.local", {chain.back()});
  if (self) (void)verify_peer(chain, *self, middle);
}

}  // namespace

// The first byte chooses the form: even, DER; odd, PEM.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> rest(data + 1, size - 1);
  std::vector<Certificate> chain;
  if (data[0] % 2 == 0) {
    if (auto one = Certificate::from_der(rest)) chain.push_back(std::move(*one));
  } else {
    const std::string_view text(reinterpret_cast<const char *>(rest.data()), rest.size());
    if (auto several = Certificate::from_pem(text)) chain = std::move(*several);
    (void)PrivateKey::from_pem(text);
  }
  for (const Certificate &certificate : chain)
    look_at(certificate);
  if (!chain.empty()) judge(chain);
  return 0;
}
