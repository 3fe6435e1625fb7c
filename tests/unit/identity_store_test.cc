// SPDX-License-Identifier: Apache-2.0
// The certificate store with a source whose answers the test decides, in a time the test decides.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <functional>

#include "certificates.h"
#include "culvert/identity.h"

namespace {

using namespace culvert;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Answer = Result<std::shared_ptr<const Svid>, Problem>;

const Time start = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
const SpiffeId web = *SpiffeId::workload("cluster.local", "shop", "web");
const SpiffeId db = *SpiffeId::workload("cluster.local", "shop", "db");

// A CA of the test's own, and what it is told to answer.
struct Ca {
  test::Signer root = test::make_root("root", start);
  std::shared_ptr<const TrustBundle> bundle =
      std::make_shared<TrustBundle>(*TrustBundle::create("cluster.local", {root.certificate}));
  Time now = start;
  std::chrono::seconds life = 100s;
  int fetches = 0;
  std::function<Answer(const SpiffeId &)> answer = [this](const SpiffeId &id) {
    return Answer(std::make_shared<const Svid>(svid(id)));
  };

  Svid svid(const SpiffeId &id) const {
    const PrivateKey key = test::make_key();
    test::Recipe recipe;
    recipe.uris = {id.text()};
    recipe.not_before = now - 10s;
    recipe.not_after = now + life;
    return {.id = id, .chain = {test::mint(root, key, recipe)}, .key = key};
  }
};

class ScriptedSource : public IdentitySource {
 public:
  explicit ScriptedSource(Ca &ca) : ca_(ca) {}
  std::string_view name() const override { return "scripted"; }
  Answer fetch(const SpiffeId &id) override {
    ++ca_.fetches;
    return ca_.answer(id);
  }
  std::shared_ptr<const TrustBundle> bundle() const override { return ca_.bundle; }

 private:
  Ca &ca_;
};

struct Fixture {
  Ca ca;
  CertificateStore store{std::make_unique<ScriptedSource>(ca)};

  std::vector<SpiffeId> advance(Time now) {
    ca.now = now;
    return store.advance(now);
  }
  std::string error_of(const SpiffeId &id) const {
    for (const auto &entry : store.entries()) {
      if (entry.id == id) return entry.error;
    }
    return "not held";
  }
  void fail() {
    ca.answer = [](const SpiffeId &) { return Answer(problem("the CA is away")); };
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "identity: wanted identities are fetched at once, others are not there") {
  CHECK(store.source_name() == "scripted");
  CHECK_FALSE(store.next_deadline());
  store.want({web}, start);
  REQUIRE(store.svid(web));
  CHECK(store.svid(web)->id == web);
  CHECK_FALSE(store.svid(db));
  CHECK(store.bundle() == ca.bundle);
  store.want({web}, start + 1s);
  CHECK(ca.fetches == 1);
}

TEST_CASE_METHOD(Fixture, "identity: what is no longer wanted is dropped") {
  store.want({web, db}, start);
  REQUIRE(store.svid(db));
  store.want({web}, start);
  CHECK_FALSE(store.svid(db));
  CHECK(store.entries().size() == 1);
  store.want({}, start);
  CHECK_FALSE(store.next_deadline());
}

TEST_CASE_METHOD(Fixture,
                 "identity: an SVID is renewed at half of its life, give or take a tenth") {
  store.want({web}, start);
  const auto first = store.svid(web);
  const auto due = store.next_deadline();
  REQUIRE(due);
  CHECK(*due >= start + 45s);
  CHECK(*due <= start + 55s);
  CHECK(advance(*due - 1ms).empty());
  CHECK(store.svid(web) == first);
  CHECK(advance(*due) == std::vector{web});
  CHECK(store.svid(web) != first);
  CHECK(store.svid(web)->not_after() > first->not_after());
  CHECK(ca.fetches == 2);
  CHECK(*store.next_deadline() > *due);
}

TEST_CASE_METHOD(Fixture, "identity: identities fetched together are not renewed together") {
  std::set<SpiffeId> ids;
  for (int i = 0; i < 50; ++i) {
    ids.insert(*SpiffeId::workload("cluster.local", "shop", "sa" + std::to_string(i)));
  }
  store.want(ids, start);
  std::set<Time> times;
  for (const auto &entry : store.entries())
    times.insert(entry.renew_at);
  CHECK(times.size() > 10);
}

TEST_CASE_METHOD(Fixture, "identity: while the CA is away the old SVID stays until it expires") {
  store.want({web}, start);
  const auto first = store.svid(web);
  fail();
  Time now = *store.next_deadline();
  int attempts = 0;
  while (now < first->not_after()) {
    CHECK(advance(now).empty());
    CHECK(store.svid(web) == first);
    CHECK(error_of(web) == "the CA is away");
    ++attempts;
    REQUIRE(store.next_deadline());
    REQUIRE(*store.next_deadline() > now);
    now = *store.next_deadline();
  }
  CHECK(attempts >= 5);
  CHECK(attempts <= 10);  // 0.5 s, doubling, in 50 s
  CHECK(now == first->not_after());
  CHECK(advance(now) == std::vector{web});
  CHECK_FALSE(store.svid(web));
}

TEST_CASE_METHOD(Fixture, "identity: after the CA's return the store is as before") {
  fail();
  store.want({web}, start);
  CHECK_FALSE(store.svid(web));
  CHECK(error_of(web) == "the CA is away");
  const Time retry = *store.next_deadline();
  CHECK(retry >= start + 450ms);
  CHECK(retry <= start + 550ms);
  ca.answer = [this](const SpiffeId &id) { return Answer(std::make_shared<Svid>(ca.svid(id))); };
  CHECK(advance(retry) == std::vector{web});
  CHECK(store.svid(web));
  CHECK(error_of(web).empty());
  CHECK(*store.next_deadline() >= retry + 45s - 1s);
}

TEST_CASE_METHOD(Fixture, "identity: the backoff grows to 150 s and no further") {
  fail();
  store.want({web}, start);
  Time now = start;
  std::chrono::nanoseconds longest{};
  for (int i = 0; i < 20; ++i) {
    const Time next = *store.next_deadline();
    longest = std::max<std::chrono::nanoseconds>(longest, next - now);
    now = next;
    advance(now);
  }
  CHECK(longest >= 135s);
  CHECK(longest <= 165s);
}

TEST_CASE_METHOD(Fixture, "identity: one identity's failure is not another's") {
  ca.answer = [this](const SpiffeId &id) {
    return id == db ? Answer(problem("not this one")) : Answer(std::make_shared<Svid>(ca.svid(id)));
  };
  store.want({web, db}, start);
  CHECK(store.svid(web));
  CHECK_FALSE(store.svid(db));
}

TEST_CASE_METHOD(Fixture, "identity: a source that answers with something else is not believed") {
  Svid wrong = ca.svid(web);
  std::string expected;
  SECTION("another identity") {
    wrong = ca.svid(db);
    expected = "answered with the identity " + db.text();
  }
  SECTION("our identity in words, another in the certificate") {
    wrong = ca.svid(db);
    wrong.id = web;
    expected = "the certificate is for " + db.text();
  }
  SECTION("a key of another certificate") {
    wrong.key = test::make_key();
    expected = "key is not the certificate's";
  }
  SECTION("no certificate") {
    wrong.chain.clear();
    expected = "without a certificate";
  }
  SECTION("a certificate of another root") {
    wrong = Ca().svid(web);
    expected = "unknown_authority";
  }
  SECTION("an expired certificate") {
    ca.now = start - 1h;
    wrong = ca.svid(web);
    expected = "expired";
  }
  SECTION("no bundle") {
    ca.bundle = nullptr;
    expected = "no trust bundle";
  }
  ca.answer = [&](const SpiffeId &) { return Answer(std::make_shared<const Svid>(wrong)); };
  store.want({web}, start);
  CHECK_FALSE(store.svid(web));
  CHECK_THAT(error_of(web), ContainsSubstring(expected));
}

TEST_CASE_METHOD(Fixture, "identity: a source that answers with nothing is an error") {
  ca.answer = [](const SpiffeId &) { return Answer(std::shared_ptr<const Svid>()); };
  store.want({web}, start);
  CHECK_FALSE(store.svid(web));
  CHECK_FALSE(error_of(web).empty());
}

TEST_CASE_METHOD(Fixture, "identity: a bad answer at renewal leaves the good SVID") {
  store.want({web}, start);
  const auto first = store.svid(web);
  ca.answer = [this](const SpiffeId &) { return Answer(std::make_shared<Svid>(ca.svid(db))); };
  CHECK(advance(*store.next_deadline()).empty());
  CHECK(store.svid(web) == first);
  CHECK_FALSE(error_of(web).empty());
}

TEST_CASE("identity: the store keeps the authority's SVIDs") {
  std::string directory = "/tmp/culvert-store-XXXXXX";
  REQUIRE(::mkdtemp(directory.data()) != nullptr);
  auto source = create_authority(directory, 2s, "cluster.local");
  REQUIRE(source);
  CertificateStore store(std::move(*source));
  store.want({web, db}, std::chrono::system_clock::now());
  const auto first = store.svid(web);
  REQUIRE(first);
  CHECK(*store.next_deadline() < std::chrono::system_clock::now() + 2s);
  CHECK(verify_peer(first->chain, *store.bundle(), std::chrono::system_clock::now()));
  CHECK(std::system(("rm -r " + directory).c_str()) == 0);
}
