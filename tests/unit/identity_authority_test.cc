// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "certificates.h"
#include "culvert/identity.h"

namespace {

using namespace culvert;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

// A directory of this test's own, gone with it.
struct Scratch {
  std::string path;
  Scratch() {
    std::string name = std::filesystem::temp_directory_path() / "culvert-authority-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Scratch() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string &name) const { return path + "/" + name; }
};

std::string read(const std::string &path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write(const std::string &path, const std::string &text) { std::ofstream(path) << text; }

mode_t mode_of(const std::string &path) {
  struct stat facts{};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  return facts.st_mode & 07777;
}

Time clock_now() { return std::chrono::system_clock::now(); }

std::string failure(const std::string &directory, std::chrono::seconds ttl = 1h,
                    const std::string &domain = "cluster.local") {
  const auto made = create_authority(directory, ttl, domain);
  REQUIRE_FALSE(made);
  return made.error().text;
}

void write_root(const std::string &directory, const test::Signer &root) {
  std::filesystem::create_directories(directory);
  write(directory + "/ca.crt", root.certificate.pem());
  write(directory + "/ca.key", root.key.pem());
  REQUIRE(::chmod((directory + "/ca.key").c_str(), 0600) == 0);
}

}  // namespace

TEST_CASE("identity: an authority makes its directory and its root, for its owner alone") {
  const Scratch scratch;
  const std::string directory = scratch / "a/b/authority";
  const auto source = create_authority(directory, 1h, "cluster.local");
  REQUIRE(source);
  CHECK((*source)->name() == "authority");
  CHECK(mode_of(directory) == 0700);
  CHECK(mode_of(directory + "/ca.key") == 0600);
  CHECK(mode_of(directory + "/ca.crt") == 0644);
  CHECK_FALSE(std::filesystem::exists(directory + "/ca.key.new"));
  const auto bundle = (*source)->bundle();
  REQUIRE(bundle);
  CHECK(bundle->trust_domain == "cluster.local");
  REQUIRE(bundle->certificates.size() == 1);
  CHECK(bundle->certificates.front().pem() == read(directory + "/ca.crt"));
  CHECK(bundle->certificates.front().not_after() > clock_now() + std::chrono::years(9));
}

TEST_CASE("identity: an authority's SVID is good for its id and its life") {
  const Scratch scratch;
  const auto source = create_authority(scratch / "authority/", 60s, "cluster.local");
  REQUIRE(source);
  const SpiffeId id = *SpiffeId::workload("cluster.local", "shop", "web");
  const auto svid = (*source)->fetch(id);
  REQUIRE(svid);
  CHECK((*svid)->id == id);
  CHECK((*svid)->chain.size() == 1);
  CHECK((*svid)->chain.front().matches((*svid)->key));
  const Time now = clock_now();
  CHECK((*svid)->not_before() <= now - 10s);
  CHECK((*svid)->not_before() > now - 13s);
  CHECK((*svid)->not_after() > now + 57s);
  CHECK((*svid)->not_after() <= now + 61s);
  const auto peer = verify_peer((*svid)->chain, *(*source)->bundle(), now);
  REQUIRE(peer);
  CHECK(peer->id == id);
}

TEST_CASE("identity: a ttl of one second is at least a second") {
  const Scratch scratch;
  const auto source = create_authority(scratch / "authority", 1s, "cluster.local");
  REQUIRE(source);
  const auto svid = (*source)->fetch(*SpiffeId::workload("cluster.local", "shop", "web"));
  REQUIRE(svid);
  CHECK((*svid)->not_after() >= clock_now());
  CHECK(failure(scratch / "authority", 0s).find("ttl") != std::string::npos);
}

TEST_CASE("identity: an authority issues for workloads of its own trust domain only") {
  const Scratch scratch;
  const auto source = create_authority(scratch / "authority", 1h, "cluster.local");
  REQUIRE(source);
  const auto foreign = (*source)->fetch(*SpiffeId::workload("other.example", "shop", "web"));
  REQUIRE_FALSE(foreign);
  CHECK_THAT(foreign.error().text, ContainsSubstring("spiffe://other.example/ns/shop/sa/web"));
  CHECK_FALSE((*source)->fetch(*SpiffeId::parse("spiffe://cluster.local")));
}

TEST_CASE("identity: a second start, and a second node, share the root") {
  const Scratch scratch;
  const auto first = create_authority(scratch / "authority", 1h, "cluster.local");
  const auto second = create_authority(scratch / "authority", 1h, "cluster.local");
  REQUIRE((first && second));
  CHECK((*first)->bundle()->version == (*second)->bundle()->version);
  const auto svid = (*first)->fetch(*SpiffeId::workload("cluster.local", "shop", "web"));
  REQUIRE(svid);
  CHECK(verify_peer((*svid)->chain, *(*second)->bundle(), clock_now()));
}

TEST_CASE("identity: nodes that start together make one root") {
  const Scratch scratch;
  std::array<std::string, 8> versions;
  {
    std::vector<std::jthread> nodes;
    for (std::string &version : versions) {
      nodes.emplace_back([&version, &scratch] {
        const auto source = create_authority(scratch / "authority", 1h, "cluster.local");
        version = source ? hex((*source)->bundle()->version) : source.error().text;
      });
    }
  }
  CHECK(versions.front().size() == 64);
  CHECK(std::set<std::string>(versions.begin(), versions.end()).size() == 1);
}

TEST_CASE("identity: an SVID does not outlive the root") {
  const Scratch scratch;
  const test::Signer root = test::make_root("short", clock_now() - 23h);  // one hour left
  write_root(scratch.path, root);
  const auto source = create_authority(scratch.path, 100h, "cluster.local");
  REQUIRE(source);
  const auto svid = (*source)->fetch(*SpiffeId::workload("cluster.local", "shop", "web"));
  REQUIRE(svid);
  CHECK((*svid)->not_after() == root.certificate.not_after());
}

TEST_CASE("identity: further certificates in ca.crt are trusted too") {
  const Scratch scratch;
  const test::Signer root = test::make_root("new", clock_now());
  const test::Signer old = test::make_root("old", clock_now());
  write_root(scratch.path, root);
  write(scratch / "ca.crt", root.certificate.pem() + old.certificate.pem());
  const auto source = create_authority(scratch.path, 1h, "cluster.local");
  REQUIRE(source);
  CHECK((*source)->bundle()->certificates.size() == 2);
}

TEST_CASE("identity: what is wrong with an authority's files is named with the file") {
  const Scratch scratch;
  const test::Signer root = test::make_root("root", clock_now());
  const std::string certificate = scratch / "ca.crt", key = scratch / "ca.key";
  write_root(scratch.path, root);
  REQUIRE(create_authority(scratch.path, 1h, "cluster.local"));

  SECTION("the key of another certificate") {
    write(key, test::make_key().pem());
    CHECK_THAT(failure(scratch.path),
               ContainsSubstring(key) && ContainsSubstring("not the key of " + certificate));
  }
  SECTION("no key") {
    std::filesystem::remove(key);
    CHECK_THAT(failure(scratch.path), ContainsSubstring(key) && ContainsSubstring("No such file"));
    CHECK_FALSE(std::filesystem::exists(key));
  }
  SECTION("no certificate") {
    std::filesystem::remove(certificate);
    CHECK_THAT(failure(scratch.path),
               ContainsSubstring(certificate) && ContainsSubstring("missing"));
    CHECK_FALSE(std::filesystem::exists(certificate));
  }
  SECTION("a certificate that does not parse") {
    write(certificate, "hello");
    CHECK_THAT(failure(scratch.path), ContainsSubstring(certificate));
  }
  SECTION("a key that does not parse") {
    write(key, "hello");
    CHECK_THAT(failure(scratch.path), ContainsSubstring(key));
  }
  SECTION("an expired root") {
    write_root(scratch.path, test::make_root("old", clock_now() - 48h));
    CHECK_THAT(failure(scratch.path),
               ContainsSubstring(certificate) && ContainsSubstring("expired"));
  }
  SECTION("a root that is not valid yet") {
    write_root(scratch.path, test::make_root("new", clock_now() + 48h));
    CHECK_THAT(failure(scratch.path), ContainsSubstring(certificate) && ContainsSubstring("clock"));
  }
  SECTION("a certificate that is no CA") {
    const PrivateKey leaf_key = test::make_key();
    test::Recipe recipe;
    recipe.uris = {"spiffe://cluster.local/ns/shop/sa/web"};
    recipe.not_before = clock_now() - 1h;
    recipe.not_after = clock_now() + 1h;
    write_root(scratch.path, {test::mint(root, leaf_key, recipe), leaf_key});
    CHECK_THAT(failure(scratch.path), ContainsSubstring(certificate) && ContainsSubstring("cA"));
  }
}

TEST_CASE("identity: a directory that cannot be made is named") {
  const Scratch scratch;
  write(scratch / "file", "");
  CHECK_THAT(failure(scratch / "file/authority"), ContainsSubstring(scratch / "file/authority"));
}

TEST_CASE("identity: an illegal trust domain is refused") {
  const Scratch scratch;
  CHECK_THAT(failure(scratch.path, 1h, "Cluster.Local"), ContainsSubstring("'Cluster.Local'"));
  CHECK_THAT(failure(scratch.path, 1h, ""), ContainsSubstring("trust domain"));
  CHECK_THAT(failure(scratch.path, 1h, "a/b"), ContainsSubstring("'a/b'"));
  CHECK_FALSE(std::filesystem::exists(scratch / "ca.crt"));
}
