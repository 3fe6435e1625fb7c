// SPDX-License-Identifier: Apache-2.0
// PeerAuthentications that can be understood: whom they select, which of them decides.
#include "source_peer_authentication.h"

using namespace culvert;

namespace {

const std::string pods = pods_for_policies();

SnapshotPtr read(const std::string &manifests, MtlsMode of_mesh = MtlsMode::permissive) {
  ResourcesDirectory directory;
  directory.mesh.default_mode = of_mesh;
  return directory.of(pods + manifests);
}

std::string because(const SnapshotPtr &snapshot, const std::string &key) {
  return pod_of(snapshot, key)->modes.because;
}

}  // namespace

TEST_CASE("source: without a PeerAuthentication defaultMode decides") {
  for (const MtlsMode mode : {MtlsMode::strict, MtlsMode::permissive}) {
    const SnapshotPtr snapshot = read("", mode);
    for (const char *key : {"shop/web", "shop/db", "other/web"}) {
      CHECK(pod_of(snapshot, key)->modes == InboundModes{mode, {}, "defaultMode"});
    }
    // not in the mesh: as it was made
    CHECK(pod_of(snapshot, "shop/plain")->modes == InboundModes());
  }
}

TEST_CASE("source: a PeerAuthentication selects the mesh, a namespace, or pods by their labels") {
  struct Row {
    std::string text, modes;
  };
  const Row rows[] = {
      {peer(in("istio-system"), mode("STRICT")), "SSS"},
      {peer(in("istio-system"), mode("DISABLE")), "DDD"},
      {peer(in("shop"), mode("STRICT")), "SSP"},
      {peer(in("shop"), mode("DISABLE")), "DDP"},
      {peer(in("shop"), mode("PERMISSIVE")), "PPP"},
      {peer(in("elsewhere"), mode("STRICT")), "PPP"},
      {peer("name: p", mode("STRICT")), "PPP"},  // namespace default
      {peer(in("shop"), selecting("web") + mode("STRICT")), "SPP"},
      {peer(in("shop"), "selector: {matchLabels: {app: web, x: y}}, " + mode("STRICT")), "PPP"},
      // no label is no selector
      {peer(in("shop"), "selector: {matchLabels: {}}, " + mode("STRICT")), "SSP"},
      {peer(in("shop"), "selector: {}, " + mode("STRICT")), "SSP"},
      {peer(in("shop"), "selector: null, portLevelMtls: null, " + mode("STRICT")), "SSP"},
      {peer(in("istio-system"), "selector: {}, " + mode("STRICT")), "SSS"},
      // nothing is said
      {peer(in("shop"), ""), "PPP"},
      {peer(in("shop"), "mtls: {}"), "PPP"},
      {peer(in("shop"), "mtls: null"), "PPP"},
      {peer(in("shop"), "mtls: {mode: null}"), "PPP"},
      {peer(in("shop"), mode("UNSET")), "PPP"},
      {"---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {" + in("shop") +
           "}\nstatus: {x: y}\n",
       "PPP"},
      {"---\napiVersion: security.istio.io/v1beta1\nkind: PeerAuthentication\nmetadata: {" +
           in("shop") + "}\nspec: {mtls: {mode: STRICT}}\n",
       "SSP"},
      {"---\napiVersion: security.istio.io/v1\nkind: PeerAuthenticationList\nitems:\n"
       "- {metadata: {namespace: shop, name: p}, spec: {mtls: {mode: STRICT}}}\n",
       "SSP"},
      {"---\napiVersion: authentication.istio.io/v1\nkind: PeerAuthentication\nmetadata: {" +
           in("shop") + "}\nspec: {mtls: {mode: STRICT}}\n",
       "PPP"},  // another group: another kind
  };
  for (const Row &row : rows) {
    INFO(row.text);
    const SnapshotPtr snapshot = read(row.text);
    CHECK(letters(snapshot) == row.modes);
    CHECK(snapshot->errors.empty());
    CHECK(snapshot->policies.empty());
  }
}

TEST_CASE("source: workload before namespace before mesh before defaultMode, UNSET asks the next") {
  const std::string levels[] = {"istio-system", "shop", "shop"};
  const std::string values[] = {"absent", "UNSET", "STRICT", "PERMISSIVE", "DISABLE"};
  for (const std::string &mesh : values) {
    for (const std::string &ns : values) {
      for (const std::string &workload : values) {
        std::string text, expected = "PERMISSIVE";
        int level = 0;
        for (const std::string &value : {mesh, ns, workload}) {
          const std::string selector = level == 2 ? selecting("web") : "";
          if (value != "absent") {
            text += peer(in(levels[level], "p" + std::to_string(level)), selector + mode(value));
          }
          if (value != "absent" && value != "UNSET") expected = value;
          ++level;
        }
        INFO(text);
        CHECK(modes_of(read(text), "shop/web") == expected);
      }
    }
  }
}

TEST_CASE("source: a workload says which object decided, also for its ports") {
  const std::string mesh = peer(in("istio-system", "mesh"), mode("STRICT"));
  const std::string shop = peer(in("shop", "all"), mode("UNSET"));
  const std::string web =
      peer(in("shop", "web"), selecting("web") + "portLevelMtls: {80: {mode: DISABLE}}");
  CHECK(because(read(""), "shop/web") == "defaultMode");
  CHECK(because(read(mesh + shop), "shop/web") == "PeerAuthentication istio-system/mesh");
  CHECK(because(read(mesh + shop + web), "shop/web") ==
        "PeerAuthentication istio-system/mesh; for ports PeerAuthentication shop/web");
  CHECK(because(read(shop + web), "shop/web") ==
        "defaultMode; for ports PeerAuthentication shop/web");
  CHECK(because(read(peer(in("shop", "web"), selecting("web") + mode("STRICT") +
                                                 ", portLevelMtls: {80: {mode: DISABLE}}")),
                "shop/web") == "PeerAuthentication shop/web");
}

TEST_CASE("source: of several PeerAuthentications at one level the oldest counts") {
  struct Row {
    std::string strict, permissive;  // what follows the name
    bool is_strict;
  };
  const Row rows[] = {
      {"a, x" + created("01"), "b, x" + created("02"), true},
      {"b, x" + created("01"), "a, x" + created("02"), true},
      {"a, x" + created("02"), "b, x" + created("01"), false},
      // without a time it is older than with one, as the empty time is in Istio
      {"b, x", "a, x" + created("01"), true},
      {"a, x" + created("01"), "b, x", false},
      // the same time, or none: the first by name
      {"a, x" + created("01"), "b, x" + created("01"), true},
      {"b, x" + created("01"), "a, x" + created("01"), false},
      {"a, x", "b, x", true},
      {"b, x", "a, x", false},
  };
  const auto object = [](const std::string &ns, const std::string &written,
                         const std::string &spec) {
    const std::size_t x = written.find(", x");
    return peer(in(ns, written.substr(0, x)) + written.substr(x + 3), spec);
  };
  for (const Row &row : rows) {
    for (const std::string selector : {"", "selector: {matchLabels: {app: web}}, "}) {
      for (const std::string ns : {"shop", "istio-system"}) {
        if (ns != "shop" && !selector.empty()) continue;
        const std::string one = object(ns, row.strict, selector + mode("STRICT"));
        const std::string two = object(ns, row.permissive, selector + mode("PERMISSIVE"));
        INFO(one + two);
        const std::string expected = row.is_strict ? "STRICT" : "PERMISSIVE";
        CHECK(modes_of(read(one + two), "shop/web") == expected);
        CHECK(modes_of(read(two + one), "shop/web") == expected);
        CHECK(read(one + two)->errors.empty());
      }
    }
  }
  // The oldest counts, also where it says nothing: a younger one is not asked.
  const SnapshotPtr snapshot = read(peer(in("shop", "a") + created("01"), mode("UNSET")) +
                                    peer(in("shop", "b") + created("02"), mode("STRICT")));
  CHECK(modes_of(snapshot, "shop/web") == "PERMISSIVE");
}

TEST_CASE("source: modes of ports, UNSET ones have the workload's") {
  struct Row {
    std::string spec, modes;
  };
  const Row rows[] = {
      {mode("STRICT") + ", portLevelMtls: {8080: {mode: PERMISSIVE}, 80: {mode: DISABLE}}",
       "STRICT 80=DISABLE 8080=PERMISSIVE"},
      {mode("DISABLE") + ", portLevelMtls: {'1': {mode: STRICT}, \"65535\": {mode: STRICT}}",
       "DISABLE 1=STRICT 65535=STRICT"},
      {"portLevelMtls: {80: {mode: STRICT}}", "PERMISSIVE 80=STRICT"},
      // what is said already is not said again
      {mode("STRICT") + ", portLevelMtls: {80: {mode: STRICT}, 81: {mode: PERMISSIVE}}",
       "STRICT 81=PERMISSIVE"},
      {mode("STRICT") + ", portLevelMtls: {80: {mode: UNSET}, 81: {}, 82: null, 83: {mode: null}}",
       "STRICT"},
  };
  for (const Row &row : rows) {
    INFO(row.spec);
    const SnapshotPtr snapshot = read(peer(in("shop"), selecting("web") + row.spec));
    CHECK(modes_of(snapshot, "shop/web") == row.modes);
    CHECK(modes_of(snapshot, "shop/db") == "PERMISSIVE");
    CHECK(snapshot->errors.empty());
  }
  // An UNSET port beside a namespace that is STRICT.
  CHECK(modes_of(read(peer(in("shop", "n"), mode("STRICT")) +
                      peer(in("shop", "w"), selecting("web") + "portLevelMtls: {80: {}}")),
                 "shop/web") == "STRICT");
}

TEST_CASE("source: two STRICT ports of a PERMISSIVE workload are both STRICT (istio 54146)") {
  const SnapshotPtr snapshot =
      read(peer(in("shop"), selecting("web") + mode("PERMISSIVE") +
                                ", portLevelMtls: {80: {mode: STRICT}, 443: {mode: STRICT}}"));
  const InboundModes &modes = pod_of(snapshot, "shop/web")->modes;
  CHECK(modes.at(80) == MtlsMode::strict);
  CHECK(modes.at(443) == MtlsMode::strict);
  CHECK(modes.at(81) == MtlsMode::permissive);
}

TEST_CASE(
    "source: a selector selects in its own namespace only, and in the root namespace nothing") {
  const SnapshotPtr own = read(peer(in("other"), selecting("web") + mode("STRICT")));
  CHECK(letters(own) == "PPS");
  const SnapshotPtr root = read(peer(in("istio-system"), selecting("web") + mode("STRICT")) +
                                peer(in("istio-system", "q"), mode("DISABLE")));
  CHECK(letters(root) == "DDD");
  REQUIRE(root->errors.size() == 1);
  CHECK(root->errors[0].object == "PeerAuthentication istio-system/p");
  CHECK(root->errors[0].text.starts_with("spec.selector: it stands in the root namespace"));
  // nor in pods of the root namespace itself
  PodManifest pod = meshed_pod("web", "10.0.0.9");
  pod.ns = "istio-system";
  CHECK(modes_of(read(pod.text() + peer(in("istio-system"), selecting("web") + mode("STRICT"))),
                 "istio-system/web") == "PERMISSIVE");
}

TEST_CASE(
    "source: what was for a namespace and is for a workload now holds no longer for the rest "
    "(ztunnel 1247)") {
  ResourcesDirectory directory;
  directory.mesh.default_mode = MtlsMode::permissive;
  directory.write("pods.yaml", pods);
  directory.write("p.yaml", peer(in("shop"), mode("STRICT")));
  const SnapshotPtr first = directory.next();
  CHECK(letters(first) == "SSP");
  directory.write("p.yaml", peer(in("shop"), selecting("db") + mode("STRICT")));
  const SnapshotPtr second = directory.next();
  CHECK(letters(second) == "PSP");
  CHECK(pod_of(second, "other/web") == pod_of(first, "other/web"));  // not touched
  CHECK(pod_of(second, "shop/db") == pod_of(first, "shop/db"));
  directory.write("p.yaml", peer(in("shop"), mode("DISABLE")));
  CHECK(letters(directory.next()) == "DDP");
  directory.write("p.yaml", peer(in("other"), mode("STRICT")));  // another namespace
  CHECK(letters(directory.next()) == "PPS");
  directory.remove("p.yaml");
  CHECK(letters(directory.next()) == "PPP");
}

TEST_CASE(
    "source: STRICT of a wider object is not merged into what a nearer one says (istio 49098)") {
  const std::string wider =
      peer(in("istio-system"), mode("STRICT")) + peer(in("shop", "n"), mode("STRICT"));
  CHECK(modes_of(read(wider + peer(in("shop", "w"), selecting("web") + mode("PERMISSIVE"))),
                 "shop/web") == "PERMISSIVE");
  CHECK(modes_of(read(wider + peer(in("shop", "w"), selecting("web") + mode("PERMISSIVE") +
                                                        ", portLevelMtls: {80: {mode: STRICT}}")),
                 "shop/web") == "PERMISSIVE 80=STRICT");
  // and a younger object of the same level adds nothing, not even a port
  CHECK(modes_of(
            read(peer(in("shop", "a") + created("01"), selecting("web") + mode("PERMISSIVE")) +
                 peer(in("shop", "b") + created("02"),
                      selecting("web") + mode("STRICT") + ", portLevelMtls: {80: {mode: STRICT}}")),
            "shop/web") == "PERMISSIVE");
}

TEST_CASE("source: modes stay when only AuthorizationPolicies change, and the other way round") {
  ResourcesDirectory directory;
  directory.mesh.default_mode = MtlsMode::permissive;
  directory.write("pods.yaml", pods);
  directory.write("modes.yaml", peer(in("shop"), mode("STRICT")) + peer(in("other"), "x: y"));
  const std::vector<ResourceError> errors = directory.next()->errors;
  REQUIRE(errors.size() == 1);
  directory.write("policies.yaml", policy_manifest("{name: p, namespace: shop}", "{}"));
  const SnapshotPtr both = directory.next();
  CHECK(letters(both) == "SSS");
  CHECK(both->errors == errors);
  CHECK(pod_of(both, "shop/web")->policies->policies.size() == 1);
  CHECK(pod_of(both, "shop/web")->modes.because == "PeerAuthentication shop/p");
  directory.write("modes.yaml", peer(in("shop"), mode("DISABLE")));
  const SnapshotPtr changed = directory.next();
  CHECK(letters(changed) == "DDP");
  CHECK(changed->errors.empty());
  CHECK(pod_of(changed, "shop/web")->policies == pod_of(both, "shop/web")->policies);
  CHECK(both->workload(pod_of(both, "shop/web")->ips[0])->modes.everywhere == MtlsMode::strict);
  CHECK(changed->workload(pod_of(both, "shop/web")->ips[0])->modes.everywhere == MtlsMode::disable);
}
