// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include "cli/render.h"

using namespace culvert::cli;

namespace {

std::string policies(const char *document) {
  return render_policies(Json::parse(document), Palette(false));
}

Json allowed() {
  return Json::parse(R"({
    "source": {"namespace": "shop", "pod": "client", "address": "10.0.0.1", "meshed": true,
               "node": "a", "identity": "spiffe://td1/ns/shop/sa/client"},
    "destination": {"namespace": "shop", "pod": "web", "address": "10.0.0.2", "meshed": true,
                    "node": "a", "identity": "spiffe://td1/ns/shop/sa/web", "port": 80},
    "mode": "STRICT", "provenIdentity": "spiffe://td1/ns/shop/sa/client", "allowed": true,
    "text": "allowed by AuthorizationPolicy shop/web, spec.rules[0]", "membership": [],
    "decision": {"allowed": true, "policy": "shop/web", "rule": "spec.rules[0]",
                 "text": "allowed by AuthorizationPolicy shop/web, spec.rules[0]"},
    "dryRun": null, "live": {"allowed": true, "policy": "shop/web"}, "agree": true,
    "steps": [{"policy": "shop/web", "text": "ALLOW shop/web: spec.rules[0] matches"}],
    "liveReason": null})");
}

}  // namespace

TEST_CASE("client: a value in a query, nothing of it is taken for the query's own") {
  CHECK(escaped("shop/web-1.a_b~:80") == "shop%2Fweb-1.a_b~%3A80");
  CHECK(escaped("a&b=c%\n\xff ") == "a%26b%3Dc%25%0A%FF%20");
}

TEST_CASE("render policies: a document without what must be there, an exception and no garbage") {
  CHECK_THROWS_AS(render_policies(Json::object(), Palette(false)), Json::exception);
  CHECK_THROWS_AS(render_explain(Json::object(), Palette(false)), Json::exception);
}

TEST_CASE("render policies: none, and what is wrong all the same") {
  CHECK(policies(R"({"policies": [], "refused": [], "problems": []})") == "no policies\n");
  CHECK(policies(R"({"policies": [], "problems": ["Pod shop/web: too\u001b large"], "refused": [
          {"object": "AuthorizationPolicy shop/x", "error": "wrong", "file": "p.yaml", "line": 9}
        ]})") ==
        "no policies\n"
        "\nobjects with errors:\n"
        "  p.yaml:9: AuthorizationPolicy shop/x: wrong\n"
        "\nnot in force:\n"
        "  Pod shop/web: too? large\n");
}

TEST_CASE("render policies: the table, then rules and notes in words") {
  CHECK(policies(R"({"refused": [], "problems": [], "policies": [
    {"namespace": "shop", "name": "web", "action": "ALLOW", "dryRun": false,
     "selects": "namespace shop, app=web", "workloads": 1, "file": "p.yaml", "line": 1,
     "hits": {"allowed": 12, "denied": 3},
     "notes": [{"path": "spec.rules[1].to[0].operation.paths", "line": 7, "text": "no path"}],
     "rules": [
       {"path": "spec.rules[0]", "matchesNothing": false,
        "from": [[{"attribute": "source.namespace", "negated": false, "values": ["a", "b", "c*"]},
                  {"attribute": "source.ip", "negated": true, "values": ["10.0.0.0/8"]}],
                 [{"attribute": "source.principal", "negated": false, "values": ["*"]}]],
        "to": [[{"attribute": "destination.port", "negated": true, "values": ["22", "23"]}]],
        "when": []},
       {"path": "spec.rules[1]", "matchesNothing": true, "from": [], "to": [[]],
        "when": [{"attribute": "destination.port", "negated": false,
                  "values": ["1", "2", "3", "4", "5", "6", "7", "8", "9"]}]}]},
    {"namespace": "istio-system", "name": "all", "action": "DENY", "dryRun": true,
     "selects": "mesh", "workloads": 20, "file": "p.yaml", "line": 30,
     "hits": {"allowed": 0, "denied": 0}, "notes": [],
     "rules": [{"path": "spec.rules[0]", "matchesNothing": false, "from": [], "to": [],
                "when": []}]}]})") ==
        "NAMESPACE     NAME  ACTION          SELECTS                          RULES  HITS          "
        "        NOTES\n"
        "shop          web   ALLOW           namespace shop, app=web (1 pod)      2  12 allowed, 3 "
        "denied      1\n"
        "istio-system  all   DENY (dry-run)  mesh (20 pods)                       1  0             "
        "            -\n"
        "\nrules:\n"
        "  shop/web spec.rules[0]: from (source.namespace is a, b or c* and source.ip is not "
        "10.0.0.0/8) or (source.principal is *), to destination.port is none of 22, 23\n"
        "  shop/web spec.rules[1]: nothing (see notes); else to any, when destination.port is 1, "
        "2, 3, 4, 5, 6, 7, 8 or 1 more\n"
        "  istio-system/all spec.rules[0]: any connection\n"
        "\nnotes:\n"
        "  p.yaml:7: shop/web spec.rules[1].to[0].operation.paths: no path\n");
}

TEST_CASE("render explain: denied by membership, no live verdict") {
  Json document = allowed();
  document["allowed"] = false;
  document["text"] = "denied: mode STRICT takes no connection in plaintext";
  document["source"] = Json::parse(R"({"namespace": null, "pod": null, "address": "192.0.2.1",
    "meshed": false, "node": null, "identity": null})");
  document["provenIdentity"] = nullptr;
  document["destination"]["port"] = nullptr;
  document["membership"] = Json::parse(R"([
    {"refuses": false, "text": "192.0.2.1 is no pod's address: a client without identity"}])");
  document["live"] = document["agree"] = nullptr;
  document["liveReason"] = "not on this node\x1b";
  CHECK(render_explain(document, Palette(false)) ==
        "may 192.0.2.1 connect to shop/web 10.0.0.2, a port that no policy names?\n"
        "  source       no identity\n"
        "  destination  spiffe://td1/ns/shop/sa/web\n"
        "  mode         STRICT\n"
        "steps:\n"
        "  192.0.2.1 is no pod's address: a client without identity\n"
        "  ALLOW shop/web: spec.rules[0] matches\n"
        "denied: mode STRICT takes no connection in plaintext\n"
        "  policies     allowed by AuthorizationPolicy shop/web, spec.rules[0]\n"
        "  maps         not on this node?\n"
        "  agree        unknown\n");
}

TEST_CASE("render explain: allowed, both agree; they disagree; dry-run") {
  Json document = allowed();
  const std::string text = render_explain(document, Palette(false));
  CHECK(text ==
        "may shop/client 10.0.0.1 connect to shop/web 10.0.0.2, port 80?\n"
        "  source       spiffe://td1/ns/shop/sa/client\n"
        "  destination  spiffe://td1/ns/shop/sa/web\n"
        "  mode         STRICT\n"
        "steps:\n"
        "  ALLOW shop/web: spec.rules[0] matches\n"
        "allowed by AuthorizationPolicy shop/web, spec.rules[0]\n"
        "  maps         allowed, decided by shop/web\n"
        "  agree        yes\n");
  document["agree"] = false;
  document["live"] = Json::parse(R"({"allowed": false, "policy": null})");
  document["dryRun"] = Json::parse(R"({"changes": true, "text": "denied by it"})");
  const std::string other = render_explain(document, Palette(false));
  CHECK(other.ends_with(
      "  dry-run      would change it: denied by it\n"
      "  maps         denied, no policy decides\n"
      "  agree        no: policies and maps say different things; if it lasts, restart culvertd "
      "and report it\n"));
  CHECK(render_explain(document, Palette(true)).find("\x1b[31mno\x1b[0m") != std::string::npos);
}
