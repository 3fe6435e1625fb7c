// SPDX-License-Identifier: Apache-2.0
// The list of cases: what a peer may show, and how it must be judged.
#include "certificates.h"

namespace culvert::test {
namespace {

using enum CertificateRefusal;
using std::chrono::hours;
using std::chrono::seconds;

class Cases {
 public:
  Cases(const Signer &root, const CaseOptions &options) : root_(root), options_(options) {}

  Recipe leaf() const {
    Recipe out;
    out.uris = {options_.spiffe_id};
    out.not_before = options_.now - seconds(10);
    out.not_after = options_.now + options_.ttl;
    return out;
  }
  // A leaf made from a good one by `change`.
  template <class Change>
  void add(const std::string &name, CertificateRefusal expected, Change change,
           KeyKind kind = KeyKind::p256) {
    Recipe recipe = leaf();
    change(recipe);
    const PrivateKey key = kind == KeyKind::p256 ? key_ : make_key(kind);
    out_.push_back({name, expected, {mint(root_, key, recipe)}, key});
  }
  // A leaf whose only URI SAN is `uri`.
  void add_uri(const std::string &name, CertificateRefusal expected, const std::string &uri) {
    add(name, expected, [&](Recipe &recipe) { recipe.uris = {uri}; });
  }
  // A good leaf below an intermediate made from a good one by `change`.
  template <class Change>
  void add_intermediate(const std::string &name, CertificateRefusal expected, Change change) {
    const Signer middle = intermediate(root_, name, change);
    out_.push_back({name, expected, {mint(middle, key_, leaf()), middle.certificate}, key_});
  }
  template <class Change>
  Signer intermediate(const Signer &signer, const std::string &name, Change change) const {
    Recipe recipe = leaf();
    recipe.uris = {};
    recipe.common_name = name;
    recipe.ca = true;
    recipe.key_usage = "critical,keyCertSign";
    recipe.extended_key_usage = {};
    change(recipe);
    const PrivateKey key = make_key();
    return {mint(signer, key, recipe), key};
  }

  void names();
  void leaves();
  void keys();
  void chains();
  std::vector<CertificateCase> take() { return std::move(out_); }

 private:
  const Signer &root_;
  const CaseOptions &options_;
  const PrivateKey key_ = make_key();
  std::vector<CertificateCase> out_;
};

void Cases::names() {
  const std::string &id = options_.spiffe_id;
  const std::string domain = id.substr(0, id.find('/', 9));
  add("good-dns-beside-uri", none, [](Recipe &r) { r.dns = {"web.shop.svc", "web"}; });
  add("two-uri-names", two_uri_names, [&](Recipe &r) { r.uris = {id, id + "2"}; });
  add("same-uri-name-twice", two_uri_names, [&](Recipe &r) { r.uris = {id, id}; });
  add("other-uri-beside", two_uri_names, [&](Recipe &r) { r.uris = {id, "https://example.org"}; });
  add("no-names", no_spiffe_id, [](Recipe &r) { r.uris = {}; });
  add("no-uri-name", no_spiffe_id, [](Recipe &r) {
    r.uris = {};
    r.dns = {"web.shop.svc"};
  });
  add_uri("other-scheme", no_spiffe_id, "https://" + id.substr(9));
  add_uri("upper-case-scheme", no_spiffe_id, "SPIFFE://" + id.substr(9));
  add_uri("empty-uri-name", no_spiffe_id, "");
  add_uri("no-path", invalid_spiffe_id, domain);
  add_uri("root-path", invalid_spiffe_id, domain + "/");
  add_uri("trailing-slash", invalid_spiffe_id, id + "/");
  add_uri("dot-segments", invalid_spiffe_id, domain + "/ns/other/../shop/sa/web");
  add_uri("percent-encoded", invalid_spiffe_id, domain + "/ns/shop/sa/%77eb");
  add_uri("upper-case-trust-domain", invalid_spiffe_id, "spiffe://Cluster.Local/ns/shop/sa/web");
  add_uri("port-in-trust-domain", invalid_spiffe_id, domain + ":443/ns/shop/sa/web");
  add_uri("query", invalid_spiffe_id, id + "?a=b");
  add_uri("nul-inside", invalid_spiffe_id, id + std::string(1, '\0') + ".evil");
  add_uri("nul-at-end", invalid_spiffe_id, id + std::string(1, '\0'));
  add_uri("newline-inside", invalid_spiffe_id, id + "\n");
  add_uri("too-long", invalid_spiffe_id, id + std::string(2049 - id.size(), 'a'));
  add_uri("good-longest", none, id + std::string(2048 - id.size(), 'a'));
  add_uri("other-trust-domain", unknown_authority, "spiffe://other.example/ns/shop/sa/web");
  add_uri("trust-domain-prefix", unknown_authority, domain + ".evil/ns/shop/sa/web");
}

void Cases::leaves() {
  add("good", none, [](Recipe &) {});
  add("good-no-eku", none, [](Recipe &r) { r.extended_key_usage = {}; });
  add("expired", expired, [&](Recipe &r) {
    r.not_before = options_.now - hours(2);
    r.not_after = options_.now - hours(1);
  });
  add("not-yet-valid", not_yet_valid, [&](Recipe &r) {
    r.not_before = options_.now + hours(1);
    r.not_after = options_.now + hours(2);
  });
  add("ca-as-leaf", leaf_is_ca, [](Recipe &r) {
    r.ca = true;
    r.key_usage = "critical,digitalSignature,keyCertSign";
  });
  add("cert-sign-leaf", leaf_is_ca,
      [](Recipe &r) { r.key_usage = "critical,digitalSignature,keyCertSign"; });
  add("crl-sign-leaf", leaf_is_ca,
      [](Recipe &r) { r.key_usage = "critical,digitalSignature,cRLSign"; });
  add("no-key-usage", wrong_key_usage, [](Recipe &r) { r.key_usage = {}; });
  add("no-digital-signature", wrong_key_usage,
      [](Recipe &r) { r.key_usage = "critical,keyEncipherment"; });
  add("eku-server-only", wrong_extended_key_usage,
      [](Recipe &r) { r.extended_key_usage = "serverAuth"; });
  add("eku-client-only", wrong_extended_key_usage,
      [](Recipe &r) { r.extended_key_usage = "clientAuth"; });
  add("eku-neither", wrong_extended_key_usage,
      [](Recipe &r) { r.extended_key_usage = "codeSigning"; });
  add("eku-any", wrong_extended_key_usage,
      [](Recipe &r) { r.extended_key_usage = "anyExtendedKeyUsage"; });
}

void Cases::keys() {
  const auto same = [](Recipe &) {};
  add("good-p384", none, same, KeyKind::p384);
  add("good-ed25519", none, same, KeyKind::ed25519);
  add("good-rsa2048", none, same, KeyKind::rsa2048);
  add("weak-rsa1024", weak_key, same, KeyKind::rsa1024);
  add("unknown-curve-p224", weak_key, same, KeyKind::p224);
  add("unknown-curve-p521", weak_key, same, KeyKind::p521);
}

void Cases::chains() {
  const auto same = [](Recipe &) {};
  add_intermediate("good-intermediate", none, same);
  add_intermediate("intermediate-without-ca", chain_invalid, [](Recipe &r) { r.ca = false; });
  // One that may not sign is not even tried as an issuer: no path is found.
  add_intermediate("intermediate-without-cert-sign", unknown_authority,
                   [](Recipe &r) { r.key_usage = "critical,digitalSignature"; });
  add_intermediate("intermediate-expired", expired, [&](Recipe &r) {
    r.not_before = options_.now - hours(2);
    r.not_after = options_.now - hours(1);
  });
  add_intermediate("name-constrained-away", chain_invalid,
                   [](Recipe &r) { r.name_constraints = "critical,permitted;URI:other.example"; });

  const Signer first =
      intermediate(root_, "path-length-zero", [](Recipe &r) { r.path_length = 0; });
  const Signer second = intermediate(first, "below-path-length-zero", same);
  out_.push_back({"path-length-exceeded",
                  chain_invalid,
                  {mint(second, key_, leaf()), second.certificate, first.certificate},
                  key_});
  out_.push_back({"intermediate-not-sent", unknown_authority, {mint(first, key_, leaf())}, key_});

  const Signer other = make_root("other root", options_.now);
  out_.push_back({"other-root", unknown_authority, {mint(other, key_, leaf())}, key_});
  out_.push_back({"other-root-in-chain",
                  unknown_authority,
                  {mint(other, key_, leaf()), other.certificate},
                  key_});
  const Certificate good = mint(root_, key_, leaf());
  out_.push_back({"chain-too-long", malformed, std::vector<Certificate>(11, good), key_});
}

}  // namespace

std::vector<CertificateCase> certificate_cases(const Signer &root, const CaseOptions &options) {
  Cases cases(root, options);
  cases.leaves();
  cases.names();
  cases.keys();
  cases.chains();
  return cases.take();
}

}  // namespace culvert::test
