// SPDX-License-Identifier: Apache-2.0
// Every certificate of tests/support against verify_peer: each refusal has at least one case.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "certificates.h"
#include "culvert/identity.h"

namespace {

using namespace culvert;
using namespace std::chrono_literals;
using enum CertificateRefusal;

const Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());

const test::Signer &root() {
  static const test::Signer made = test::make_root("test root", now);
  return made;
}

TrustBundle bundle_of(const test::Signer &signer, const std::string &domain = "cluster.local") {
  return *TrustBundle::create(domain, {signer.certificate});
}

test::CertificateCase case_of(const std::string &name) {
  for (auto &one : test::certificate_cases(root(), {.now = now})) {
    if (one.name == name) return one;
  }
  FAIL("no case " << name);
  return {};
}

CertificateRefusal judge(const std::vector<Certificate> &chain, const TrustBundle &bundle,
                         Time time = now) {
  const auto peer = verify_peer(chain, bundle, time);
  return peer ? none : peer.error();
}

}  // namespace

TEST_CASE("identity: every kind of certificate is judged as it must be") {
  const TrustBundle bundle = bundle_of(root());
  std::set<CertificateRefusal> seen;
  std::set<std::string> names;
  for (const auto &one : test::certificate_cases(root(), {.now = now})) {
    CAPTURE(one.name);
    CHECK(one.chain.front().matches(one.key));
    CHECK(name(judge(one.chain, bundle)) == name(one.expected));
    CHECK(names.insert(one.name).second);
    seen.insert(one.expected);
  }
  for (int i = 0; i <= static_cast<int>(chain_invalid); ++i) {
    const auto refusal = static_cast<CertificateRefusal>(i);
    INFO("no case is refused as " << name(refusal));
    CHECK(seen.contains(refusal));
  }
}

TEST_CASE("identity: each refusal has its own name") {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(chain_invalid); ++i) {
    CHECK(names.insert(name(static_cast<CertificateRefusal>(i))).second);
  }
  CHECK(name(static_cast<CertificateRefusal>(200)) == "unknown");
}

TEST_CASE("identity: the same certificates below an RSA root are judged the same") {
  const test::Signer rsa = test::make_root("rsa root", now, test::KeyKind::rsa2048);
  const TrustBundle bundle = bundle_of(rsa);
  for (const auto &one : test::certificate_cases(rsa, {.now = now})) {
    CAPTURE(one.name);
    CHECK(name(judge(one.chain, bundle)) == name(one.expected));
  }
}

TEST_CASE("identity: a good peer's identity and the earliest end of its chain") {
  const auto peer = verify_peer(case_of("good").chain, bundle_of(root()), now);
  REQUIRE(peer);
  CHECK(peer->id.text() == "spiffe://cluster.local/ns/shop/sa/web");
  CHECK(peer->not_after == now + 1h);

  auto chain = case_of("good-intermediate").chain;
  const auto longer = verify_peer(chain, bundle_of(root()), now);
  REQUIRE(longer);
  CHECK(longer->not_after == std::min(chain[0].not_after(), chain[1].not_after()));
}

TEST_CASE("identity: validity ends are sharp") {
  const auto chain = case_of("good").chain;
  const TrustBundle bundle = bundle_of(root());
  CHECK(judge(chain, bundle, now - 10s) == none);
  CHECK(judge(chain, bundle, now - 11s) == not_yet_valid);
  CHECK(judge(chain, bundle, now + 1h - 1ms) == none);
  CHECK(judge(chain, bundle, now + 1h) == expired);  // stricter by a second than RFC 5280
}

TEST_CASE("identity: a root that expired trusts no one") {
  test::Recipe recipe;
  recipe.uris = {"spiffe://cluster.local/ns/shop/sa/web"};
  recipe.not_before = now;
  recipe.not_after = now + 72h;
  const std::vector chain{test::mint(root(), test::make_key(), recipe)};
  CHECK(judge(chain, bundle_of(root()), now + 23h) == none);
  CHECK(judge(chain, bundle_of(root()), now + 25h) == expired);
}

TEST_CASE(
    "identity: a trust domain's bundle speaks for that domain only, even with a shared root") {
  const auto chain = case_of("other-trust-domain").chain;
  CHECK(judge(chain, bundle_of(root(), "cluster.local")) == unknown_authority);
  CHECK(judge(chain, bundle_of(root(), "other.example")) == none);
  CHECK(judge(case_of("good").chain, bundle_of(root(), "other.example")) == unknown_authority);
  CHECK(judge(case_of("good").chain, bundle_of(root(), "cluster")) == unknown_authority);
}

TEST_CASE("identity: a root of the same name and another key is no root") {
  const test::Signer twin = test::make_root("test root", now);
  CHECK(judge(case_of("good").chain, bundle_of(twin)) == unknown_authority);
}

TEST_CASE("identity: a leaf signed with SHA-1 or below a weak intermediate is weak") {
  test::Recipe leaf;
  leaf.uris = {"spiffe://cluster.local/ns/shop/sa/web"};
  leaf.not_before = now;
  leaf.not_after = now + 1h;
  leaf.sha1 = true;
  const PrivateKey key = test::make_key();
  CHECK(judge({test::mint(root(), key, leaf)}, bundle_of(root())) == weak_key);
  const test::Signer rsa = test::make_root("rsa root", now, test::KeyKind::rsa2048);
  CHECK(judge({test::mint(rsa, key, leaf)}, bundle_of(rsa)) == weak_key);

  leaf.sha1 = false;
  test::Recipe middle = leaf;
  middle.uris = {};
  middle.common_name = "weak";
  middle.ca = true;
  middle.key_usage = "critical,keyCertSign";
  middle.extended_key_usage = {};
  const PrivateKey weak = test::make_key(test::KeyKind::rsa1024);
  const test::Signer signer{test::mint(root(), weak, middle), weak};
  CHECK(judge({test::mint(signer, key, leaf), signer.certificate}, bundle_of(root())) == weak_key);
}

TEST_CASE("identity: a chain above 64 KiB, or none at all, is malformed") {
  CHECK(judge({}, bundle_of(root())) == malformed);
  test::Recipe big;
  big.uris = {"spiffe://cluster.local/ns/shop/sa/web"};
  big.not_before = now;
  big.not_after = now + 1h;
  for (int i = 0; i < 400; ++i)
    big.dns.push_back(std::string(60, 'a') + std::to_string(i));
  const Certificate large = test::mint(root(), test::make_key(), big);
  REQUIRE(large.der().size() > 22'000);
  CHECK(judge({large}, bundle_of(root())) == none);
  CHECK(judge({large, large, large}, bundle_of(root())) == malformed);
}

TEST_CASE("identity: certificates beside the path do no harm") {
  auto chain = case_of("good").chain;
  chain.push_back(root().certificate);
  chain.push_back(test::make_root("stranger", now).certificate);
  CHECK(judge(chain, bundle_of(root())) == none);
}

TEST_CASE("identity: a bundle's version is its roots'") {
  const test::Signer other = test::make_root("other", now);
  CHECK(bundle_of(root()).version == bundle_of(root()).version);
  CHECK(bundle_of(root()).version != bundle_of(other).version);
  CHECK_FALSE(TrustBundle::create("cluster.local", {}));
  CHECK_FALSE(TrustBundle::create("cluster.local", {case_of("good").chain.front()}));
}
