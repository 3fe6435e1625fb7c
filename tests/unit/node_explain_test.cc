// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "node/explain.h"

using namespace culvert;
using nlohmann::json;

namespace {

WorkloadPtr pod(const std::string &name, std::initializer_list<const char *> ips, bool meshed,
                const std::string &node = "node-a") {
  Workload made;
  made.ns = "shop";
  made.name = name;
  made.node = node;
  made.meshed = meshed;
  made.id = *SpiffeId::workload("td1", "shop", name);
  for (const char *ip : ips)
    made.ips.push_back(*Ip::parse(ip));
  if (meshed) made.policies = std::make_shared<const PolicySet>();
  return std::make_shared<const Workload>(made);
}

Snapshot mesh() {
  Snapshot out;
  out.workloads = {pod("client", {"10.0.0.1", "fd00::1"}, true),
                   pod("far", {"10.0.0.3"}, true, "b"), pod("new", {}, true),
                   pod("plain", {"10.0.0.4"}, false), pod("six", {"fd00::2"}, true)};
  Snapshot::ByIp by_ip;
  for (std::uint32_t place = 0; place < out.workloads.size(); ++place) {
    for (const Ip &ip : out.workloads[place]->ips)
      by_ip[ip] = place;
  }
  out.by_ip = std::make_shared<const Snapshot::ByIp>(by_ip);
  ServicePort service;
  service.ns = "shop";
  service.service = "six";
  service.port = 80;
  service.endpoints = {{out.workloads[4], *Ip::parse("fd00::2"), 8080, true}};
  out.services = {std::make_shared<const ServicePort>(service)};
  out.by_service = std::make_shared<const Snapshot::ByService>(
      Snapshot::ByService{{{*Ip::parse("10.9.0.1"), 80}, 0}});
  return out;
}

const Snapshot snapshot = mesh();

Response ask(const std::string &source, const std::string &destination,
             const LiveVerdict &live = {}) {
  return explain_document({{"source", source}, {"destination", destination}}, &snapshot,
                          {.name = "node-a", .live = live});
}

std::string error(const Response &response, int status) {
  CHECK(response.status == status);
  return json::parse(response.body).value("error", "none");
}

json answer(const Response &response) {
  INFO(response.body);
  REQUIRE(response.status == 200);
  return json::parse(response.body);
}

}  // namespace

TEST_CASE("explain: no snapshot yet, or no question, refused") {
  CHECK(explain_document({}, nullptr, {.name = "a", .live = {}}).status == 503);
  CHECK(error(explain_document({{"source", "a/b"}}, &snapshot, {.name = "a", .live = {}}), 400)
            .starts_with("the question lacks source or destination"));
}

TEST_CASE("explain: bad ports, each refused by name") {
  for (const char *port : {"", "0", "65536", "http", "80x", "-1", "+80", " 80"}) {
    INFO(port);
    const std::string text = error(ask("shop/client", "shop/six:" + std::string(port)), 400);
    CHECK(text == "destination \"shop/six:" + std::string(port) + "\": \"" + port +
                      "\" is no port: give a number from 1 to 65535, or none");
  }
  CHECK(error(ask("shop/client", "[fd00::2]80"), 400).contains("neither NAMESPACE/POD nor"));
  CHECK(error(ask("shop/client", "[fd00::2]:80x"), 400).contains("is no port"));
  error(ask("shop/client", "10.0.0.3:"), 400);
  CHECK(error(ask("shop/client:80", "shop/six"), 400).contains("leave it out"));
}

TEST_CASE("explain: what is neither a pod's name nor an address, refused") {
  for (const char *bad : {"", "web", "shop/", "/web", "a/b/c", "10.0.0", "fd00::g", "[fd00::1"}) {
    INFO(bad);
    CHECK(error(ask(bad, "shop/six"), 400).contains("is neither NAMESPACE/POD nor an IP address"));
    CHECK(error(ask("shop/client", bad), 400).starts_with("destination "));
  }
}

TEST_CASE("explain: nobody of that name or address, refused; a Service's pods are named") {
  CHECK(error(ask("shop/nobody", "shop/six"), 404) ==
        "source: Pod shop/nobody is not known: no resource defines it; `culvert workloads` lists "
        "the pods that are");
  CHECK(error(ask("shop/client", "shop/nobody:80"), 404).starts_with("destination: Pod shop/nob"));
  CHECK(error(ask("shop/client", "10.0.0.99"), 404).contains("10.0.0.99 is no pod's address"));
  CHECK(error(ask("shop/client", "10.9.0.1:80"), 404).contains("such as shop/six:8080"));
  CHECK(error(ask("shop/client", "10.9.0.1"), 404).contains("Service shop/six"));
  CHECK(error(ask("shop/client", "10.9.0.1:81"), 404).contains("is no pod's address"));
  CHECK(error(ask("shop/new", "shop/six"), 404).contains("no address of its own yet"));
  CHECK(error(ask("10.0.0.1", "shop/six"), 400).contains("no address family in common"));
}

TEST_CASE("explain: names, addresses and ports in every form") {
  for (const char *to : {"shop/six:80", "[fd00::2]:80"}) {
    json document = answer(ask("shop/client", to));
    CHECK(document["source"]["address"] == "fd00::1");
    CHECK(document["destination"]["pod"] == "six");
    CHECK(document["destination"]["port"] == 80);
    CHECK(document["mode"] == "STRICT");
    CHECK(document["allowed"] == true);
  }
  for (const char *to : {"shop/six", "fd00::2", "[fd00::2]"}) {
    CHECK(answer(ask("fd00::1", to))["destination"]["port"].is_null());
  }
  CHECK(answer(ask("::ffff:10.0.0.1", "10.0.0.3:1"))["source"]["pod"] == "client");
}

TEST_CASE(
    "explain: who is not in the mesh proves nothing, and an unknown client may be asked for") {
  CHECK(answer(ask("shop/plain", "shop/far:80"))["allowed"] == false);
  CHECK(answer(ask("192.0.2.1", "shop/far:80"))["provenIdentity"].is_null());
  json open = answer(ask("shop/client", "shop/plain:80"));
  CHECK(open["allowed"] == true);
  CHECK(open["provenIdentity"].is_null());
}

TEST_CASE("explain: the maps are asked on the destination's node only") {
  int asked = 0;
  const LiveVerdict live = [&](const Workload &to, const SpiffeId &peer, const Ip &client,
                               const Endpoint &at) -> std::optional<verdict_answer> {
    ++asked;
    CHECK(to.name == "six");
    CHECK(client.text() == "fd00::1");
    CHECK(at.text() == "[fd00::2]:80");
    if (peer.text().empty()) return std::nullopt;
    return verdict_answer{VERDICT_ALLOW, VERDICT_NO_POLICY, 0};
  };
  CHECK(answer(ask("shop/client", "shop/far:80", live))["liveReason"] ==
        "not on this node: shop/far is on b, and only that one has its policies in its maps: ask "
        "there");
  CHECK(answer(ask("shop/client", "shop/plain:80", live))["live"].is_null());
  CHECK(asked == 0);
  CHECK(answer(ask("shop/client", "shop/six:80", live))["agree"] == true);
  CHECK(asked == 1);
  CHECK(answer(ask("shop/client", "shop/six:80"))["agree"].is_null());
}
