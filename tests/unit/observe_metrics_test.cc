// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <regex>
#include <set>
#include <sstream>

#include "unit/observe_scrape.h"

using namespace culvert;
using observe_fixture::empty, observe_fixture::Scrape;

namespace {

TrafficKey key(Direction direction) {
  ConnectionRecord record = observe_fixture::connection(direction);
  return {.direction = direction,
          .source = record.source,
          .destination = record.destination,
          .service = direction == Direction::outbound ? observe_fixture::service() : nullptr,
          .peer_identity = record.tunnel->peer.text(),
          .refusal = Refusal::none};
}

}  // namespace

TEST_CASE("metrics: every refusal, a counter for each direction from the start") {
  Counters first, second;
  first.refusals[0][static_cast<std::size_t>(Refusal::plaintext)].add(2);
  second.refusals[0][static_cast<std::size_t>(Refusal::plaintext)].add(3);
  second.refusals[1][static_cast<std::size_t>(Refusal::no_endpoint)].add();
  MetricsInput input = empty();
  input.counters = {&first, &second};
  Scrape scrape(render_metrics(input));
  CHECK(scrape.types["culvert_refusals_total"] == "counter");
  for (std::size_t i = 1; i < Counters::refusal_count; ++i) {
    std::string reason(name(static_cast<Refusal>(i)));
    double inbound =
        scrape[R"(culvert_refusals_total{direction="inbound",reason=")" + reason + "\"}"];
    double outbound =
        scrape[R"(culvert_refusals_total{direction="outbound",reason=")" + reason + "\"}"];
    CHECK(inbound == (reason == "plaintext" ? 5 : 0));
    CHECK(outbound == (reason == "no_endpoint" ? 1 : 0));
  }
}

TEST_CASE("metrics: nothing of Refusal::none, it is no refusal") {
  CHECK(render_metrics(empty()).find("reason=\"none\"") == std::string::npos);
}

TEST_CASE("metrics: a name that needs escaping, the text stays one sample a line") {
  MetricsInput input = empty();
  input.node = "a\"b\\c\nd";
  Scrape scrape(render_metrics(input));
  CHECK(scrape.find("culvert_build_info", {R"(node="a\"b\\c\nd")"}) == 1);
}

TEST_CASE("metrics: a peer that proved nothing, principals are unknown") {
  ThreadReport report;
  TrafficKey refused = key(Direction::inbound);
  refused.source = nullptr;
  refused.peer_identity.clear();
  refused.refusal = Refusal::no_certificate;
  report.traffic.push_back({refused, {.opened = 1, .closed = 1}});
  MetricsInput input = empty();
  input.reports = std::span(&report, 1);
  Scrape scrape(render_metrics(input));
  CHECK(scrape.find("istio_tcp_connections_closed_total",
                    {R"(source_workload="unknown")", R"(source_principal="unknown")",
                     R"(destination_principal="unknown")", R"(destination_workload="web")",
                     R"(response_flags="IDENTITY_ERROR")",
                     R"(connection_security_policy="unknown")"}) == 1);
}

TEST_CASE("metrics: no snapshot yet, its age is no number") {
  CHECK(std::isnan(Scrape(render_metrics(empty()))["culvert_snapshot_age_seconds"]));
}

TEST_CASE("metrics: a pod without version or app labels, revision latest and the workload's name") {
  ThreadReport report;
  TrafficKey traffic = key(Direction::outbound);
  Workload plain = *traffic.source;
  plain.app.clear();
  plain.version.clear();
  traffic.source = std::make_shared<const Workload>(plain);
  report.traffic.push_back({traffic, {.opened = 1}});
  MetricsInput input = empty();
  input.reports = std::span(&report, 1);
  Scrape scrape(render_metrics(input));
  CHECK(scrape.find("istio_tcp_connections_opened_total",
                    {R"(source_canonical_revision="latest")", R"(source_version="unknown")",
                     R"(source_canonical_service="client")", R"(source_app="unknown")",
                     R"(destination_canonical_revision="v1")"}) == 1);
}

TEST_CASE("metrics: Istio's labels, all of them and no other") {
  ThreadReport report;
  report.traffic.push_back({key(Direction::outbound), {.opened = 1}});
  MetricsInput input = empty();
  input.reports = std::span(&report, 1);
  std::string text = render_metrics(input);
  std::size_t at = text.find("istio_tcp_connections_opened_total{");
  REQUIRE(at != std::string::npos);
  std::string line = text.substr(at, text.find('\n', at) - at);
  std::set<std::string> names;
  static const std::regex label_name(R"re(([a-z_]+)=")re");
  for (std::sregex_iterator it(line.begin(), line.end(), label_name), end; it != end; ++it) {
    names.insert((*it)[1].str());
  }
  std::set<std::string> expected = {"reporter",
                                    "request_protocol",
                                    "response_flags",
                                    "connection_security_policy",
                                    "destination_service",
                                    "destination_service_name",
                                    "destination_service_namespace"};
  for (const char *side : {"source", "destination"}) {
    for (const char *what : {"workload", "canonical_service", "canonical_revision",
                             "workload_namespace", "principal", "app", "version", "cluster"}) {
      expected.insert(std::string(side) + "_" + what);
    }
  }
  CHECK(names == expected);
}

TEST_CASE(
    "metrics: traffic of two threads and two snapshots, one series; bytes as Istio means them") {
  std::array<ThreadReport, 2> reports;
  // The workload objects differ (another snapshot's); their labels do not.
  reports[0].traffic.push_back({key(Direction::outbound), {3, 2, 100, 5000}});
  reports[1].traffic.push_back({key(Direction::outbound), {1, 1, 10, 500}});
  reports[1].traffic.push_back({key(Direction::inbound), {4, 4, 7, 8}});
  MetricsInput input = empty();
  input.reports = reports;
  Scrape scrape(render_metrics(input));
  std::initializer_list<std::string> source = {
      R"(reporter="source")",
      R"(source_workload="client")",
      R"(destination_workload="web")",
      R"(source_principal="spiffe://cluster.local/ns/shop/sa/client")",
      R"(destination_principal="spiffe://cluster.local/ns/shop/sa/web")",
      R"(destination_service="web.shop.svc.cluster.local")",
      R"(destination_service_name="web")",
      R"(connection_security_policy="mutual_tls")",
      R"(response_flags="-")"};
  CHECK(scrape.find("istio_tcp_connections_opened_total", source) == 4);
  CHECK(scrape.find("istio_tcp_connections_closed_total", source) == 3);
  CHECK(scrape.find("istio_tcp_sent_bytes_total", source) == 5500);     // responses
  CHECK(scrape.find("istio_tcp_received_bytes_total", source) == 110);  // requests
  CHECK(scrape.find("istio_tcp_sent_bytes_total",
                    {R"(reporter="destination")",
                     R"(source_principal="spiffe://cluster.local/ns/shop/sa/client")",
                     R"(destination_principal="spiffe://cluster.local/ns/shop/sa/web")"}) == 8);
}

TEST_CASE("metrics: handshakes, results, sides and a cumulative histogram") {
  Counters counters;
  counters.handshakes[0].full.add(5);
  counters.handshakes[1].resumed.add(6);
  counters.handshakes[1].failed.add(7);
  counters.handshake_buckets[0].add(2);
  counters.handshake_buckets[3].add(1);
  counters.handshake_buckets[10].add(4);  // beyond 10 s
  counters.handshake_sum_us.add(2500000);
  MetricsInput input = empty();
  input.counters = {&counters};
  Scrape scrape(render_metrics(input));
  std::string total = "culvert_handshakes_total";
  CHECK(scrape[total + R"({side="server",result="success",resumed="false"})"] == 5);
  CHECK(scrape[total + R"({side="client",result="success",resumed="true"})"] == 6);
  CHECK(scrape[total + R"({side="client",result="failure",resumed="false"})"] == 7);
  CHECK(scrape.types["culvert_handshake_seconds"] == "histogram");
  CHECK(scrape[R"(culvert_handshake_seconds_bucket{le="0.00025"})"] == 2);
  CHECK(scrape[R"(culvert_handshake_seconds_bucket{le="0.001"})"] == 2);
  CHECK(scrape[R"(culvert_handshake_seconds_bucket{le="0.0025"})"] == 3);
  CHECK(scrape[R"(culvert_handshake_seconds_bucket{le="10"})"] == 3);
  CHECK(scrape[R"(culvert_handshake_seconds_bucket{le="+Inf"})"] == 7);
  CHECK(scrape["culvert_handshake_seconds_count"] == 7);
  CHECK(scrape["culvert_handshake_seconds_sum"] == 2.5);
}

TEST_CASE("metrics: everything the documentation lists, it is there") {
  Counters counters;
  counters.connections[0].add(3);
  counters.tunnels_idle.add(2);
  counters.events_dropped.add(1);
  std::array<PodStatus, 3> pods = {{{"shop/a", PodStatus::State::captured, ""},
                                    {"shop/b", PodStatus::State::captured, ""},
                                    {"shop/c", PodStatus::State::failed, "gone"}}};
  MetricsInput input = empty();
  input.counters = {&counters};
  input.pods = pods;
  input.snapshot = 12;
  input.snapshot_made = observe_fixture::noon - std::chrono::seconds(90);
  input.resource_errors = 4;
  input.maps = {{"destinations", 10, 262144}};
  input.capture_events = {{"captured", 77}};
  input.engine = RecordEngine::userspace;
  Scrape scrape(render_metrics(input));
  CHECK(scrape[R"(culvert_build_info{version="0.1.0",node="node-a"})"] == 1);
  CHECK(scrape[R"(culvert_connections{direction="inbound"})"] == 3);
  CHECK(scrape["culvert_tunnels_idle"] == 2);
  CHECK(scrape["culvert_tunnels_opened_total"] == 0);
  CHECK(scrape["culvert_tunnels_reused_total"] == 0);
  CHECK(scrape[R"(culvert_key_updates_total{direction="received"})"] == 0);
  CHECK(scrape["culvert_handshakes_in_progress"] == 0);
  CHECK(scrape["culvert_log_events_dropped_total"] == 1);
  CHECK(scrape[R"(culvert_pods{state="captured"})"] == 2);
  CHECK(scrape[R"(culvert_pods{state="failed"})"] == 1);
  CHECK(scrape["culvert_snapshot"] == 12);
  CHECK(scrape["culvert_snapshot_age_seconds"] == 90);
  CHECK(scrape["culvert_resource_errors"] == 4);
  CHECK(scrape[R"(culvert_map_entries{map="destinations"})"] == 10);
  CHECK(scrape[R"(culvert_map_capacity{map="destinations"})"] == 262144);
  CHECK(scrape[R"(culvert_capture_events_total{event="captured"})"] == 77);
  CHECK(scrape[R"(culvert_records_engine_info{engine="userspace"})"] == 1);
}
