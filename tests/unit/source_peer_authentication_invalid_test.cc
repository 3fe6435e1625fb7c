// SPDX-License-Identifier: Apache-2.0
// PeerAuthentications with mistakes: STRICT, and an error that says what, where and for whom.
#include "source_peer_authentication.h"

using namespace culvert;

namespace {

const std::string pods = pods_for_policies();

SnapshotPtr read(const std::string &manifests) {
  ResourcesDirectory directory;
  directory.mesh.default_mode = MtlsMode::permissive;
  return directory.of(pods + manifests);
}

struct Row {
  std::string spec, error;  // how the error's text begins
};

// Taken as STRICT at its own place, which is `whom`.
void check_mistake(const Row &row, const std::string &selector, const std::string &whom) {
  const std::string text = peer(in("shop"), selector + row.spec);
  INFO(text);
  const SnapshotPtr snapshot = read(text);
  CHECK(letters(snapshot) == (selector.empty() ? "SSP" : "SPP"));
  CHECK(pod_of(snapshot, "shop/web")->modes.because ==
        "PeerAuthentication shop/p, which has a mistake");
  REQUIRE(snapshot->errors.size() == 1);
  const ResourceError &error = snapshot->errors[0];
  CHECK(error.object == "PeerAuthentication shop/p");
  CHECK(error.line > 0);
  CHECK(error.text.substr(0, row.error.size()) == row.error);
  CHECK(error.text.ends_with(", so it says STRICT for every port (" + whom + "): correct it"));
}

// Whom it selects is open, or its place: STRICT for all it could select, before older ones and ones
// that are nearer.
void check_open(const std::string &text, const std::string &modes, const std::string &error) {
  INFO(text);
  const std::string nearer = "selector: {matchLabels: {app: web}}, " + mode("PERMISSIVE");
  const std::string others = peer(in("shop", "a") + created("01"), nearer) +
                             peer(in("shop", "b") + created("01"), mode("PERMISSIVE")) +
                             peer(in("other", "a"), nearer) +
                             peer(in("istio-system", "a"), mode("PERMISSIVE"));
  const SnapshotPtr snapshot = read(others + text);
  CHECK(letters(snapshot) == modes);
  REQUIRE(snapshot->errors.size() == 1);
  CHECK(snapshot->errors[0].object.starts_with("PeerAuthentication "));
  CHECK(snapshot->errors[0].text.starts_with(error));
  CHECK(snapshot->errors[0].text.ends_with(") is STRICT on every port: correct or remove it"));
  CHECK(letters(read(others)) == "PPP");
}

}  // namespace

TEST_CASE("source: a PeerAuthentication whose mode cannot be read says STRICT") {
  const std::string accepted = ": accepted are UNSET, DISABLE, PERMISSIVE, STRICT";
  const Row rows[] = {
      {mode("permissive"), "spec.mtls.mode: unknown value 'permissive'" + accepted},
      {mode("''"), "spec.mtls.mode: unknown value ''" + accepted},
      {mode("MUTUAL"), "spec.mtls.mode: unknown value 'MUTUAL'"},
      {mode("0"), "spec.mtls.mode: expected a string"},
      {mode("true"), "spec.mtls.mode: expected a string"},
      {mode("[PERMISSIVE]"), "spec.mtls.mode: expected a string"},
      {mode(std::string(100'000, 'P')), "spec.mtls.mode: unknown value 'PPP"},
      {"mtls: PERMISSIVE", "spec.mtls: expected a map"},
      {"mtls: [{mode: PERMISSIVE}]", "spec.mtls: expected a map"},
      {"mtls: {mode: PERMISSIVE, more: 1}", "spec.mtls.more: unknown field: accepted are mode"},
      {"mtls: {mod: STRICT}", "spec.mtls.mod: unknown field"},
  };
  for (const Row &row : rows) {
    check_mistake(row, "", "namespace shop");
    check_mistake(row, "selector: {matchLabels: {app: web}}, ", "namespace shop, app=web");
  }
}

TEST_CASE("source: a bad port does not vanish from portLevelMtls, the whole workload is STRICT") {
  const auto ports = [](const std::string &text) {
    return mode("PERMISSIVE") + ", portLevelMtls: " + text;
  };
  std::vector<Row> rows = {
      {ports("{80: {mode: permissive}}"), "spec.portLevelMtls.80.mode: unknown value"},
      {ports("{80: {mode: DISABLE, x: y}}"), "spec.portLevelMtls.80.x: unknown field"},
      {ports("{80: PERMISSIVE}"), "spec.portLevelMtls.80: expected a map"},
      {ports("{80: [{mode: PERMISSIVE}]}"), "spec.portLevelMtls.80: expected a map"},
      {ports("{}"), "spec.portLevelMtls: no port is in it"},
      {ports("[80]"), "spec.portLevelMtls: expected a map"},
      {ports("80"), "spec.portLevelMtls: expected a map"},
  };
  for (const std::string port :
       {"0", "65536", "70000", "99999", "-1", "080", "0x50", "http", "80-90", "4294967376"}) {
    rows.push_back(
        {ports("{" + port + ": {mode: STRICT}, 81: {mode: PERMISSIVE}}"),
         "spec.portLevelMtls." + port + ": '" + port + "' is no port: accepted is a num"});
  }
  for (const std::string port : {"'+80'", "' 80'", "'80 '", "'80.0'", "'80,81'"}) {
    rows.push_back({ports("{" + port + ": {mode: STRICT}, 81: {mode: PERMISSIVE}}"),
                    "spec.portLevelMtls.[" + port + "]: " + port + " is no port"});
  }
  rows.push_back({ports("{'': {mode: STRICT}}"), "spec.portLevelMtls"});
  std::string many = "{";
  for (int port = 1; port <= 1025; ++port)
    many += std::to_string(port) + ": {mode: DISABLE}, ";
  rows.push_back({ports(many + "}"), "spec.portLevelMtls: more than 1024 ports"});
  for (const Row &row : rows)
    check_mistake(row, "selector: {matchLabels: {app: web}}, ", "namespace shop, app=web");
}

TEST_CASE("source: portLevelMtls without a selector is STRICT for whomever it could be meant for") {
  const std::string error = "spec.portLevelMtls: it stands without a selector";
  for (const std::string ports : {"{80: {mode: PERMISSIVE}}", "{80: {mode: STRICT}}", "{}", "80"}) {
    const std::string spec = mode("PERMISSIVE") + ", portLevelMtls: " + ports;
    check_open(peer(in("shop"), spec), "SSP", error);
    check_open(peer(in("shop"), "selector: {matchLabels: {}}, " + spec), "SSP", error);
    check_open(peer(in("istio-system"), spec), "SSS", error);
  }
}

TEST_CASE("source: an unknown field of a PeerAuthentication is not ignored") {
  const std::string known = "unknown field: accepted are selector, mtls, portLevelMtls";
  for (const std::string field : {"portLevelMTLS: {80: {mode: STRICT}}", "Selector: {}", "x: y"}) {
    const std::string name = "spec." + field.substr(0, field.find(':'));
    check_mistake({mode("PERMISSIVE") + ", " + field, name + ": " + known},
                  "selector: {matchLabels: {app: web}}, ", "namespace shop, app=web");
    check_open(peer(in("shop"), mode("PERMISSIVE") + ", " + field), "SSP", name + ": " + known);
  }
  check_mistake(
      {mode("PERMISSIVE") + "}\nmtls: {mode: STRICT", "mtls: unknown field: accepted are"},
      "selector: {matchLabels: {app: web}}, ", "namespace shop, app=web");
  check_open(peer(in("shop"), mode("PERMISSIVE") + "}\nselector: {matchLabels: {app: web}"), "SSP",
             "selector: unknown field: accepted are apiVersion, kind, metadata, spec, status");
  check_open(peer(in("istio-system"), "modes: {}"), "SSS", "spec.modes: " + known);
}

TEST_CASE(
    "source: a PeerAuthentication of which it is open whom it selects is STRICT for all it "
    "could") {
  const std::string permissive = mode("PERMISSIVE");
  const Row rows[] = {
      {"selector: web", "spec.selector: expected a map"},
      {"selector: {matchLabels: [app]}", "spec.selector.matchLabels: expected a map"},
      {"selector: {matchLabels: {app: 1}}", "spec.selector.matchLabels.app: expected a string"},
      {"selector: {matchLabels: {app: 'w*'}}", "spec.selector: 'app=w*' is a label that no pod"},
      {"selector: {matchLabels: {'': web}}", "spec.selector: '=web' is a label that no pod"},
      {"selector: {matchLabels: {app: " + std::string(64, 'w') + "}}",
       "spec.selector.matchLabels.app: the value is longer than 63"},
      {"selector: {matchLabels: {" + std::string(400, 'k') + ": web}}",
       "spec.selector.matchLabels"},
      {"selector: {matchExpressions: []}", "spec.selector.matchExpressions: unknown field"},
      {"selector: {matchLabels: {app: web}, more: 1}", "spec.selector.more: unknown field"},
      {"selector: {matchLabels: {app: web}}, targetRefs: [{name: x}]", "spec.targetRefs: unknown"},
      {"targetRef: {name: x}", "spec.targetRef: unknown field"},
  };
  for (const Row &row : rows) {
    check_open(peer(in("shop"), row.spec + ", " + permissive), "SSP", row.error);
    check_open(peer(in("istio-system"), row.spec + ", " + permissive), "SSS", row.error);
  }
  const std::string head = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n";
  check_open(head + "metadata: {" + in("shop") + "}\nspec: [mtls]\n", "SSP",
             "spec: expected a map");
  check_open(head + "metadata: {" + in("shop") + "}\nspec: text\n", "SSP", "spec: expected a map");
}

TEST_CASE(
    "source: a PeerAuthentication without a readable namespace, name or age is STRICT for all "
    "it could select") {
  const std::string web = selecting("web") + mode("PERMISSIVE"), all = mode("PERMISSIVE");
  check_open(peer("name: p, namespace: 12", all), "SSS", "metadata.namespace: expected a string");
  check_open(peer("name: p, namespace: Shop", all), "SSS", "metadata.namespace: 'Shop' is no name");
  check_open(peer("name: p, namespace: Shop", web), "SPS", "metadata.namespace: 'Shop' is no name");
  check_open(peer("namespace: shop", all), "SSP", "metadata: name is missing");
  check_open(peer("namespace: shop, name: []", web), "SPP", "metadata.name: expected a string");
  check_open(peer("namespace: shop, name: " + std::string(300, 'n'), all), "SSP",
             "metadata.name: ");
  for (const std::string time : {"yesterday", "2026-01-01", "'2026-01-01T00:00:00+02:00'", "12"}) {
    check_open(peer(in("shop") + ", creationTimestamp: " + time, web), "SPP",
               "metadata.creationTimestamp: ");
  }
  const std::string head = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n";
  check_open(head + "metadata: text\nspec: {}\n", "SSS", "metadata is missing or no map");
  check_open(head + "spec: {}\n", "SSS", "metadata is missing or no map");
}

TEST_CASE(
    "source: a mistaken PeerAuthentication yields to whom it would yield without the mistake") {
  const std::string bad = mode("permissive"), permissive = mode("PERMISSIVE");
  const auto modes = [](const std::string &text) { return modes_of(read(text), "shop/web"); };
  const std::string shop = peer(in("shop", "n"), permissive);
  CHECK(modes(peer(in("istio-system"), bad)) == "STRICT");
  CHECK(modes(peer(in("istio-system"), bad) + shop) == "PERMISSIVE");  // nearer
  CHECK(modes(peer(in("shop"), bad) + peer(in("shop", "w"), selecting("web") + permissive)) ==
        "PERMISSIVE");
  CHECK(modes(peer(in("shop") + created("02"), bad) +
              peer(in("shop", "w") + created("01"), permissive)) == "PERMISSIVE");  // older
  CHECK(modes(peer(in("shop") + created("01"), bad) +
              peer(in("shop", "w") + created("02"), permissive)) == "STRICT");
  CHECK(modes(peer(in("shop"), selecting("web") + bad) + shop) == "STRICT");
  // in the root namespace a selector selects nothing, whatever else is wrong
  CHECK(modes(peer(in("istio-system"), selecting("web") + bad)) == "PERMISSIVE");
}

TEST_CASE("source: two versions of one PeerAuthentication are STRICT for all that either selects") {
  const std::string web = peer(in("shop"), selecting("web") + mode("PERMISSIVE"));
  const std::string db = peer(in("shop"), selecting("db") + mode("PERMISSIVE"));
  const SnapshotPtr snapshot = read(web + db);
  CHECK(letters(snapshot) == "SSP");
  REQUIRE(snapshot->errors.size() == 2);
  CHECK(
      snapshot->errors[0].text.contains("and says something else there, so all that it could "
                                        "select (namespace shop, app=web) is STRICT"));
  CHECK(snapshot->errors[0].text.ends_with(": remove one of the two"));
  // the same age is part of what they say; two that say the same are one
  CHECK(letters(read(peer(in("shop"), mode("PERMISSIVE")) +
                     peer(in("shop") + created("01"), mode("PERMISSIVE")))) == "SSP");
  const SnapshotPtr same = read(web + web);
  CHECK(letters(same) == "PPP");
  CHECK(same->errors.size() == 2);
  CHECK(letters(read(web + peer(in("other"), mode("DISABLE")))) == "PPD");  // another object
}

TEST_CASE("source: a PeerAuthentication in a file that is bad otherwise is in force all the same") {
  ResourcesDirectory directory;
  directory.mesh.default_mode = MtlsMode::permissive;
  directory.write("pods.yaml", pods);
  const std::string damage = "---\nkind: 1\n";
  directory.write("p.yaml", peer(in("shop"), mode("STRICT")) + damage);
  CHECK(letters(directory.next()) == "SSP");
  directory.write("p.yaml", peer(in("shop"), mode("STRICT")));
  directory.next();
  directory.write("p.yaml", "[");  // and stays while the file does not parse
  CHECK(letters(directory.next()) == "SSP");
  directory.write("p.yaml", peer(in("shop"), mode("PERMISSIVE")) + damage);
  CHECK(letters(directory.next()) == "SSP");
  // a file that can be read is taken at its word
  directory.write("p.yaml", peer(in("shop"), mode("PERMISSIVE")));
  CHECK(letters(directory.next()) == "PPP");
  // the same again beside the damage changes nothing but the errors
  directory.write("p.yaml", peer(in("shop"), mode("PERMISSIVE")) + damage);
  const SnapshotPtr damaged = directory.next();
  CHECK(letters(damaged) == "PPP");
  CHECK(damaged->errors.size() == 1);
  // what is STRICT now does not wait for the mend
  directory.write("p.yaml", peer(in("shop"), mode("STRICT")) + damage);
  CHECK(letters(directory.next()) == "SSP");
}
