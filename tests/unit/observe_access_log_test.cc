// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include "unit/observe_fixture.h"

using namespace culvert;

TEST_CASE("access log: every refusal has its own name, and a line names it") {
  for (std::size_t i = 1; i < static_cast<std::size_t>(Refusal::count); ++i) {
    ConnectionRecord record;
    record.refusal = static_cast<Refusal>(i);
    record.detail = "because";
    auto line = format_text(
        {{}, AccessLog::level(record), AccessLog::message(record), AccessLog::fields(record)});
    INFO(line);
    CHECK(line.ends_with(" error=" + std::string(name(record.refusal)) + " detail=because"));
  }
}

TEST_CASE("access log: a refusal before any tunnel, WARN and no identity is claimed") {
  ConnectionRecord record = observe_fixture::inbound();
  record.tunnel = nullptr;
  record.established = false;
  record.refusal = Refusal::certificate_expired;
  record.detail = "spiffe://cluster.local/ns/shop/sa/web, ended 2026-01-01T00:00:00Z";
  CHECK(AccessLog::level(record) == LogLevel::warn);
  CHECK(AccessLog::message(record) == "connection refused");
  std::string line = observe_fixture::text(AccessLog::fields(record));
  CHECK(line.find("identity=") == std::string::npos);
  CHECK(line.find("cipher=") == std::string::npos);
  CHECK(line.find(" verdict=refused error=certificate_expired detail=\"spiffe://") !=
        std::string::npos);
}

TEST_CASE("access log: a connection cut off in the tunnel, WARN, and it had been allowed") {
  ConnectionRecord record = observe_fixture::outbound();
  record.refusal = Refusal::truncated;
  CHECK(AccessLog::level(record) == LogLevel::warn);
  CHECK(AccessLog::message(record) == "connection cut off");
  CHECK(observe_fixture::text(AccessLog::fields(record)).find("verdict=allowed") !=
        std::string::npos);
}

TEST_CASE("access log: one reason, before and after the connection was established") {
  ConnectionRecord record = observe_fixture::inbound();
  record.refusal = Refusal::application_failed;
  CHECK(AccessLog::message(record) == "connection cut off");
  record.established = false;
  CHECK(AccessLog::message(record) == "connection refused");
  CHECK(observe_fixture::text(AccessLog::fields(record)).find("verdict=refused") !=
        std::string::npos);
}

TEST_CASE("access log: a reset by an application, INFO with its error") {
  ConnectionRecord record = observe_fixture::outbound();
  record.refusal = Refusal::application_reset;
  CHECK(AccessLog::level(record) == LogLevel::info);
  CHECK(observe_fixture::text(AccessLog::fields(record)).ends_with("error=application_reset"));
}

TEST_CASE("access log: outbound to a service, all fields as documented") {
  CHECK(observe_fixture::text(AccessLog::fields(observe_fixture::outbound())) ==
        " src.addr=10.0.0.1:40000 src.workload=client-1 src.namespace=shop"
        " src.identity=spiffe://cluster.local/ns/shop/sa/client"
        " dst.addr=10.0.1.1:8080 dst.workload=web-1 dst.namespace=shop"
        " dst.identity=spiffe://cluster.local/ns/shop/sa/web"
        " dst.service=web.shop.svc.cluster.local direction=outbound"
        " bytes_sent=5000 bytes_recv=100 duration=1234.567ms verdict=allowed"
        " tls_version=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256 group=X25519MLKEM768"
        " resumed=false reused=true");
}

TEST_CASE("access log: inbound, the source is the peer") {
  std::string line = observe_fixture::text(AccessLog::fields(observe_fixture::inbound()));
  CHECK(line.find(" src.identity=spiffe://cluster.local/ns/shop/sa/client ") != std::string::npos);
  CHECK(line.find(" dst.identity=spiffe://cluster.local/ns/shop/sa/web ") != std::string::npos);
  CHECK(line.find("dst.service") == std::string::npos);
  CHECK(line.find(" direction=inbound ") != std::string::npos);
}
