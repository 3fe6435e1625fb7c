// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "culvert/observe_policies.h"
#include "unit/evaluator_values.h"

using namespace culvert;
using nlohmann::json;

namespace {

WorkloadPtr pod(const std::string &name, const std::string &ip, PolicySet set) {
  Workload made;
  made.ns = "shop";
  made.name = name;
  made.node = "node-a";
  made.id = *SpiffeId::workload("td1", "shop", name);
  made.ips = {*Ip::parse(ip)};
  made.meshed = true;
  made.policies = std::make_shared<const PolicySet>(std::move(set));
  return std::make_shared<const Workload>(made);
}

template <class Change>
WorkloadPtr changed(const WorkloadPtr &workload, Change change) {
  Workload copy = *workload;
  change(copy);
  return std::make_shared<const Workload>(copy);
}

const WorkloadPtr client = pod("client", "10.0.0.1", {});
constexpr verdict_answer allow_0{VERDICT_ALLOW, 0, 0}, deny_0{VERDICT_DENY, 0, 0},
    deny_unnamed{VERDICT_DENY, VERDICT_NO_POLICY, 0};

ExplainInput question(PolicySet set) {
  return {.source = client,
          .source_address = client->ips[0],
          .peer = &client->id,
          .destination = pod("web", "10.0.0.2", std::move(set)),
          .destination_address = {*Ip::parse("10.0.0.2"), 8080},
          .mode = "STRICT"};
}

json answer(const ExplainInput &input) { return json::parse(explain_json(input)); }

PolicySet allow_client() {
  return set_of({allow({{.from = {{accounts({"shop/client"})}}, .to = {{ports({8080})}}}})});
}

}  // namespace

TEST_CASE("explain: plaintext to a STRICT port, refused; to a PERMISSIVE one, policies decide") {
  ExplainInput input = question({});
  input.source = nullptr;
  input.peer = nullptr;
  json strict = answer(input);
  CHECK(strict["allowed"] == false);
  CHECK(strict["text"] == "denied: mode STRICT takes no connection in plaintext");
  CHECK(strict["source"]["pod"].is_null());
  CHECK(strict["provenIdentity"].is_null());
  CHECK(strict["membership"][0]["text"] ==
        "10.0.0.1 is no pod's address: a client without identity");
  input.mode = "PERMISSIVE";
  CHECK(answer(input)["allowed"] == true);
  input = question(allow_client());
  input.source = changed(client, [](Workload &w) { w.meshed = false; });
  input.peer = nullptr;
  input.mode = "PERMISSIVE";
  json denied = answer(input);
  CHECK(denied["allowed"] == false);
  CHECK(denied["source"]["identity"].is_null());
  CHECK(denied["decision"]["policy"] == "shop/allow");
  CHECK(denied["decision"]["rule"].is_null());
}

TEST_CASE("explain: a destination that is not meshed, allowed, with nothing to judge it by") {
  ExplainInput input = question({});
  input.mode = "";
  input.live_reason = "not meshed";
  input.destination = changed(input.destination, [](Workload &w) {
    w.meshed = false;
    w.not_meshed_because = "spec.hostNetwork";
    w.policies = nullptr;
  });
  json open = answer(input);
  CHECK(open["allowed"] == true);
  CHECK(open["text"] == "allowed: Pod shop/web is not meshed (spec.hostNetwork)");
  CHECK(open["mode"].is_null());
  CHECK(open["decision"].is_null());
  CHECK(open["steps"].empty());
  CHECK(open["agree"].is_null());
  CHECK(open["liveReason"] == "not meshed");
}

TEST_CASE("explain: the maps say another verdict, or name another policy, they disagree") {
  ExplainInput input = question(allow_client());
  CHECK(answer(input)["agree"].is_null());
  for (const verdict_answer &other :
       {deny_0, deny_unnamed, verdict_answer{VERDICT_ALLOW, VERDICT_NO_POLICY, 0},
        verdict_answer{VERDICT_ALLOW, 1, 0}, verdict_answer{}}) {
    input.live = other;
    CHECK(answer(input)["agree"] == false);
  }
  input.live = allow_0;
  json same = answer(input);
  CHECK(same["agree"] == true);
  CHECK(same["live"] == json::parse(R"({"allowed": true, "policy": "shop/allow"})"));
  CHECK(same["liveReason"].is_null());
}

TEST_CASE("explain: the deciding policy and rule, each policy's step, what dry-run would change") {
  ExplainInput input = question(
      set_of({dry_run(deny({{}}, "later")), deny({{.from = {{namespaces({"bad"})}}}}, "bad"),
              allow({{.from = {{namespaces({"shop"})}}}}, "shop")}));
  input.live = verdict_answer{VERDICT_ALLOW, 2, 0};
  json document = answer(input);
  CHECK(document["allowed"] == true);
  CHECK(document["agree"] == true);
  CHECK(document["text"] == "allowed by AuthorizationPolicy shop/shop, spec.rules[0]");
  CHECK(document["decision"] == json::parse(R"({
    "allowed": true, "policy": "shop/shop", "rule": "spec.rules[0]",
    "text": "allowed by AuthorizationPolicy shop/shop, spec.rules[0]"})"));
  REQUIRE(document["steps"].size() == 3);
  CHECK(document["steps"][0]["dryRun"] == true);
  CHECK(document["steps"][0]["decides"] == false);
  CHECK(document["steps"][1]["matches"] == false);
  CHECK(document["steps"][1]["text"] ==
        "DENY shop/bad: spec.rules[0] does not match: source.namespace is shop, wanted bad");
  CHECK(document["dryRun"]["changes"] == true);
  CHECK(document["dryRun"]["text"] == "denied by AuthorizationPolicy shop/later, spec.rules[0]");
  CHECK(document["destination"] == json::parse(R"({
    "namespace": "shop", "pod": "web", "address": "10.0.0.2", "meshed": true, "node": "node-a",
    "identity": "spiffe://td1/ns/shop/sa/web", "port": 8080})"));
  CHECK(document["provenIdentity"] == "spiffe://td1/ns/shop/sa/client");
}

TEST_CASE("explain: no port, the question is about one that no policy names") {
  ExplainInput input = question(allow_client());
  input.destination_address.port = 0;
  json document = answer(input);
  CHECK(document["destination"]["port"].is_null());
  CHECK(document["allowed"] == false);
}

TEST_CASE("policies: objects with errors, problems, notes, and no hits where none are given") {
  Snapshot snapshot;
  AuthorizationPolicy policy = allow(
      {{.from = {{accounts({"shop/client", "b/*"})}, {none_of(ips({"10.0.0.0/8", "fd00::/8"}))}},
        .when = {ports({80})},
        .never = true}});
  policy.file = "policies.yaml";
  policy.line = 3;
  policy.selects = "namespace shop";
  policy.notes = {{7, "spec.rules[0].to[0].operation.paths", "no path"}};
  snapshot.policies = {std::make_shared<const AuthorizationPolicy>(policy),
                       std::make_shared<const AuthorizationPolicy>(dry_run(deny({})))};
  snapshot.workloads = {client, pod("web", "10.0.0.2", {{snapshot.policies[0]}})};
  snapshot.errors = {{"a.yaml", 1, "Pod shop/a", "wrong"},
                     {"p.yaml", 0, "PeerAuthentication shop/p", "not honoured"},
                     {"policies.yaml", 9, "AuthorizationPolicy shop/x", "spec: wrong"}};
  const std::vector<PolicyHits> hits = {{.allowed = 2, .denied = 1}};
  const std::vector<std::string> problems = {"Pod shop/web: too large"};
  json document =
      json::parse(policies_json({.snapshot = snapshot, .hits = hits, .problems = problems}));
  CHECK(document["policies"][0] == json::parse(R"({
    "namespace": "shop", "name": "allow", "action": "ALLOW", "dryRun": false,
    "selects": "namespace shop", "workloads": 1,
    "rules": [{"path": "spec.rules[0]", "matchesNothing": true,
      "from": [[{"attribute": "source.serviceAccount", "negated": false,
                 "values": ["shop/client", "b/*"]}],
               [{"attribute": "source.ip", "negated": true,
                 "values": ["10.0.0.0/8", "fd00::/8"]}]],
      "to": [], "when": [{"attribute": "destination.port", "negated": false, "values": ["80"]}]}],
    "hits": {"allowed": 2, "denied": 1},
    "notes": [{"path": "spec.rules[0].to[0].operation.paths", "line": 7, "text": "no path"}],
    "file": "policies.yaml", "line": 3})"));
  CHECK(document["policies"][1]["dryRun"] == true);
  CHECK(document["policies"][1]["workloads"] == 0);
  CHECK(document["policies"][1]["hits"]["denied"] == 0);
  CHECK(document["policies"][1]["line"].is_null());
  CHECK(document["refused"] == json::parse(R"([
    {"object": "PeerAuthentication shop/p", "error": "not honoured", "file": "p.yaml",
     "line": null},
    {"object": "AuthorizationPolicy shop/x", "error": "spec: wrong", "file": "policies.yaml",
     "line": 9}])"));
  CHECK(document["problems"] == json::parse(R"(["Pod shop/web: too large"])"));
}

TEST_CASE("policies: a text that is no UTF-8, the document stays JSON") {
  CHECK(json::parse(error_json("\xff"))["error"].is_string());
}
