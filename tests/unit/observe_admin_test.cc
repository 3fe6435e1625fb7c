// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "unit/observe_fixture.h"

using namespace culvert;
using nlohmann::json;
using observe_fixture::noon;

namespace {

std::shared_ptr<const Svid> svid(Time not_before, Time not_after) {
  PrivateKey key = *PrivateKey::generate_p256();
  Certificate root = *self_signed_root(
      key, {"spiffe://cluster.local", noon - std::chrono::hours(1), noon + std::chrono::hours(24)},
      "test root");
  Svid made;
  made.id = *SpiffeId::workload("cluster.local", "shop", "web");
  made.key = *PrivateKey::generate_p256();
  made.chain = {*issue(root, key, made.key, {made.id.text(), not_before, not_after})};
  return std::make_shared<const Svid>(made);
}

}  // namespace

TEST_CASE("admin: a peer's bytes that are no UTF-8, the document stays JSON") {
  StatusInput input;
  input.warnings = {"peer said \xff\xfe"};
  CHECK(json::parse(status_json(input))["warnings"].size() == 1);
}

TEST_CASE("admin status: before the first snapshot, null and not ready") {
  json status = json::parse(status_json({}));
  CHECK(status["snapshot"].is_null());
  CHECK(status["ready"] == false);
  CHECK(status["resourceErrors"].empty());
}

TEST_CASE("admin status: pods that are not captured and resource errors, with their reasons") {
  std::array<PodStatus, 3> pods = {{{"shop/a", PodStatus::State::captured, ""},
                                    {"shop/b", PodStatus::State::waiting, "no SVID yet"},
                                    {"shop/c", PodStatus::State::failed, "/run/netns/c: gone"}}};
  std::array<ResourceError, 2> errors = {
      {{"pods.yaml", 12, "Pod shop/web", "spec: wrong"}, {"broken.yaml", 0, "", "not YAML"}}};
  StatusInput input;
  input.version = "0.1.0";
  input.node = "node-a";
  input.started = noon - std::chrono::seconds(100);
  input.now = noon;
  input.ready = true;
  input.snapshot = 3;
  input.snapshot_made = noon - std::chrono::seconds(5);
  input.pods = pods;
  input.engine = RecordEngine::userspace;
  input.engine_reason = "no tls module";
  input.identity_source = "authority";
  input.trust_domain = "cluster.local";
  input.connections = 17;
  input.resource_errors = errors;
  json status = json::parse(status_json(input));
  CHECK(status == json::parse(R"({
    "version": "0.1.0", "node": "node-a", "ready": true,
    "startedAt": "2026-01-02T03:02:25Z", "uptimeSeconds": 100.0,
    "snapshot": {"number": 3, "madeAt": "2026-01-02T03:04:00Z", "ageSeconds": 5.0},
    "pods": {"meshed": 3, "captured": 1, "notCaptured": [
      {"pod": "shop/b", "state": "waiting", "reason": "no SVID yet"},
      {"pod": "shop/c", "state": "failed", "reason": "/run/netns/c: gone"}]},
    "records": {"engine": "userspace", "reason": "no tls module"},
    "identity": {"source": "authority", "trustDomain": "cluster.local"},
    "connections": 17,
    "resourceErrors": [
      {"file": "pods.yaml", "line": 12, "object": "Pod shop/web", "error": "spec: wrong"},
      {"file": "broken.yaml", "line": null, "object": null, "error": "not YAML"}],
    "warnings": []})"));
}

TEST_CASE("admin workloads: not meshed, elsewhere and captured") {
  Workload plain;
  plain.ns = "default";
  plain.name = "legacy";
  std::array<WorkloadStatus, 2> workloads = {
      {{std::make_shared<const Workload>(plain), true, "", false, "not meshed"},
       {observe_fixture::workload("web", "fd00::1", "node-a"), true, "STRICT", true, ""}}};
  json list = json::parse(workloads_json(workloads))["workloads"];
  REQUIRE(list.size() == 2);
  CHECK(list[0]["identity"].is_null());
  CHECK(list[0]["reason"] == "not meshed");
  CHECK(list[0]["mode"].is_null());
  CHECK(list[1] == json::parse(R"({
    "namespace": "shop", "name": "web-1", "workload": "web", "serviceAccount": "web",
    "identity": "spiffe://cluster.local/ns/shop/sa/web", "addresses": ["fd00::1"],
    "node": "node-a", "local": true, "meshed": true, "mode": "STRICT", "captured": true,
    "reason": null})"));
}

TEST_CASE("admin certificates: none, failing, expired and available are told apart") {
  CertificatesInput input;
  input.source = "authority";
  input.now = noon;
  SpiffeId id = *SpiffeId::workload("cluster.local", "shop", "web");
  using std::chrono::minutes;
  input.entries.push_back({id, nullptr, noon, ""});
  input.entries.push_back({id, nullptr, noon, "no such directory"});
  input.entries.push_back({id, svid(noon - minutes(9), noon - minutes(1)), noon, "down"});
  input.entries.push_back({id, svid(noon - minutes(9), noon + minutes(1)), noon, ""});
  json document = json::parse(certificates_json(input));
  CHECK(document["source"] == "authority");
  json list = document["certificates"];
  CHECK(list[0]["state"] == "initializing");
  CHECK(list[0]["error"].is_null());
  CHECK(list[1]["state"] == "unavailable");
  CHECK(list[1]["error"] == "no such directory");
  CHECK(list[2]["state"] == "expired");
  CHECK(list[3]["state"] == "available");
  CHECK(list[3]["identity"] == "spiffe://cluster.local/ns/shop/sa/web");
  CHECK(list[3]["notAfter"] == "2026-01-02T03:05:05Z");
  CHECK(list[3]["remainingSeconds"] == 60);
  CHECK(list[3]["serial"].get<std::string>().size() >= 8);
}

TEST_CASE("admin certificates: the bundle, its roots and their fingerprints") {
  PrivateKey key = *PrivateKey::generate_p256();
  Certificate root = *self_signed_root(
      key, {"spiffe://cluster.local", noon - std::chrono::hours(1), noon + std::chrono::hours(1)},
      "test root");
  TrustBundle bundle{"cluster.local", {root}, *Roots::create(std::span(&root, 1)), {}};
  CertificatesInput input;
  input.now = noon;
  input.bundles = {std::make_shared<const TrustBundle>(bundle), nullptr};
  json bundles = json::parse(certificates_json(input))["bundles"];
  REQUIRE(bundles.size() == 1);
  CHECK(bundles[0]["trustDomain"] == "cluster.local");
  CHECK(bundles[0]["roots"][0]["sha256"].get<std::string>().size() == 64);
  CHECK(bundles[0]["roots"][0]["remainingSeconds"] == 3600);
}

TEST_CASE("admin connections: before the handshake ended, there is no tunnel to show") {
  ThreadReport report;
  report.live.push_back(observe_fixture::outbound());
  report.live.back().tunnel = nullptr;
  json list = json::parse(connections_json(std::span(&report, 1), noon))["connections"];
  CHECK(list[0]["tunnel"].is_null());
  CHECK(list[0]["source"]["identity"].is_null());
}

TEST_CASE("admin connections: of all threads, oldest first, as documented") {
  std::array<ThreadReport, 2> reports;
  reports[0].live.push_back(observe_fixture::outbound());
  reports[1].live.push_back(observe_fixture::inbound());
  reports[1].live.back().id = 6;
  reports[1].live.back().opened -= std::chrono::seconds(1);
  json list = json::parse(connections_json(reports, noon + std::chrono::seconds(3)))["connections"];
  REQUIRE(list.size() == 2);
  CHECK(list[0]["id"] == 6);
  CHECK(list[1] == json::parse(R"({
    "id": 7, "direction": "outbound",
    "source": {"namespace": "shop", "workload": "client-1", "address": "10.0.0.1:40000",
               "identity": "spiffe://cluster.local/ns/shop/sa/client"},
    "destination": {"namespace": "shop", "workload": "web-1", "address": "10.0.1.1:8080",
                    "identity": "spiffe://cluster.local/ns/shop/sa/web",
                    "service": "web.shop.svc.cluster.local"},
    "openedAt": "2026-01-02T03:04:05Z", "ageSeconds": 3.0,
    "bytesToDestination": 100, "bytesToSource": 5000,
    "tunnel": {"tlsVersion": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256",
               "group": "X25519MLKEM768", "resumed": false, "reused": true,
               "protocol": "culvert/1", "engine": "kernel"}})"));
}
