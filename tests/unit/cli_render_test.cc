// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>

#include "cli/render.h"
#include "cli/table.h"

using namespace culvert::cli;

TEST_CASE("human: durations that are no durations, refused") {
  for (const char *bad : {"", "30", "s", "30 s", "-1s", "1.5s", "30x", "99999999999s"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration(bad));
  }
  CHECK(parse_duration("500ms") == std::chrono::milliseconds(500));
  CHECK(parse_duration("30s") == std::chrono::seconds(30));
  CHECK(parse_duration("2m") == std::chrono::minutes(2));
}

TEST_CASE("human: control characters of either kind, they do not reach the terminal") {
  CHECK(printable("a\x1b[31mb\r\n\x7f") == "a?[31mb???");
  CHECK(printable("a\xc2\x9b"
                  "31m") == "a?31m");
  CHECK(printable("caf\xc3\xa9") == "caf\xc3\xa9");
}

TEST_CASE("human: bytes and durations") {
  CHECK(human_bytes(0) == "0 B");
  CHECK(human_bytes(1023) == "1023 B");
  CHECK(human_bytes(1024) == "1.0 KiB");
  CHECK(human_bytes(1536) == "1.5 KiB");
  CHECK(human_bytes(10240) == "10 KiB");
  CHECK(human_bytes(1048575) == "1.0 MiB");
  CHECK(human_bytes(123456789) == "118 MiB");
  CHECK(human_bytes(~std::uint64_t{0}) == "16 EiB");
  CHECK(human_duration(0.04) == "0.0s");
  CHECK(human_duration(9.94) == "9.9s");
  CHECK(human_duration(59.4) == "59s");
  CHECK(human_duration(59.6) == "1m");
  CHECK(human_duration(312) == "5m12s");
  CHECK(human_duration(3600) == "1h");
  CHECK(human_duration(11040) == "3h4m");
  CHECK(human_duration(86400.0 * 12 + 3600 * 3) == "12d3h");
  CHECK(human_duration(-3) == "-3.0s");
}

TEST_CASE("palette: NO_COLOR or no terminal, no colour") {
  CHECK(Palette(false).paint(Colour::red, "x") == "x");
  CHECK(Palette(true).paint(Colour::red, "x") == "\x1b[31mx\x1b[0m");
  CHECK(Palette::of_terminal(-1).paint(Colour::red, "x") == "x");
  ::setenv("NO_COLOR", "1", 1);
  CHECK(Palette::of_terminal(1).paint(Colour::red, "x") == "x");
  ::unsetenv("NO_COLOR");
}

TEST_CASE("table: aligned, also with colour and characters of several bytes") {
  Table table({{"NAME"}, {"SIZE", Table::Align::right}, {"LAST"}});
  table.add({"caf\xc3\xa9", "7", "x"});
  table.add({{"longer", Colour::green}, "1.0 KiB", ""});
  CHECK(table.text(Palette(false)) ==
        "NAME       SIZE  LAST\n"
        "caf\xc3\xa9          7  x\n"
        "longer  1.0 KiB  -\n");
  CHECK(table.text(Palette(true)).find("\x1b[32mlonger\x1b[0m  1.0 KiB") != std::string::npos);
}

TEST_CASE("render: a document without a key that must be there, an exception and no garbage") {
  CHECK_THROWS_AS(render_status(Json::object(), Palette(false)), Json::exception);
  CHECK_THROWS_AS(render_connections(Json::object(), Palette(false)), Json::exception);
}

TEST_CASE("render: lists with nothing in them, they say so") {
  CHECK(render_connections(Json::parse(R"({"connections": []})"), Palette(false)) ==
        "no connections\n");
  CHECK(render_workloads(Json::parse(R"({"workloads": []})"), Palette(false)) == "no workloads\n");
}

TEST_CASE("render status: not ready, with all that is wrong") {
  Json status = Json::parse(R"({
    "version": "0.1.0", "node": "node-a", "ready": false, "startedAt": "2026-01-02T03:02:25Z",
    "uptimeSeconds": 100.0, "snapshot": {"number": 3, "madeAt": "", "ageSeconds": 5.0},
    "pods": {"meshed": 3, "captured": 1, "notCaptured": [
      {"pod": "shop/b", "state": "waiting", "reason": "no SVID yet"},
      {"pod": "shop/c", "state": "failed", "reason": "/run/netns/c: gone\u001b[2J"}]},
    "records": {"engine": "userspace", "reason": "no tls module"},
    "identity": {"source": "authority", "trustDomain": "cluster.local"},
    "connections": 17,
    "resourceErrors": [
      {"file": "pods.yaml", "line": 12, "object": "Pod shop/web", "error": "spec: wrong"},
      {"file": "broken.yaml", "line": null, "object": null, "error": "not YAML"}],
    "warnings": ["the clock jumped"]})");
  CHECK(render_status(status, Palette(false)) ==
        "culvertd 0.1.0 on node-a: not ready\n"
        "  uptime       1m40s\n"
        "  snapshot     3, 5.0s old\n"
        "  pods         1 of 3 meshed pods captured\n"
        "  records      userspace (no tls module)\n"
        "  identity     authority, trust domain cluster.local\n"
        "  connections  17\n"
        "not captured:\n"
        "  waiting shop/b: no SVID yet\n"
        "  failed shop/c: /run/netns/c: gone?[2J\n"
        "resource errors:\n"
        "  pods.yaml:12: Pod shop/web: spec: wrong\n"
        "  broken.yaml: not YAML\n"
        "warnings:\n"
        "  the clock jumped\n");
}

TEST_CASE("render connections: with and without a tunnel") {
  Json document = Json::parse(R"({"connections": [
    {"id": 1, "direction": "inbound",
     "source": {"namespace": null, "workload": null, "address": "10.0.0.9:1", "identity": null},
     "destination": {"namespace": "shop", "workload": "web-1", "address": "10.0.1.1:80",
                     "identity": null, "service": null},
     "openedAt": "", "ageSeconds": 0.1, "bytesToDestination": 0, "bytesToSource": 0,
     "tunnel": null},
    {"id": 2, "direction": "outbound",
     "source": {"namespace": "shop", "workload": "c", "address": "10.0.0.1:4",
                "identity": "spiffe://a"},
     "destination": {"namespace": "shop", "workload": "w", "address": "10.0.1.1:80",
                     "identity": "spiffe://b", "service": "web.shop"},
     "openedAt": "", "ageSeconds": 75, "bytesToDestination": 100, "bytesToSource": 5000,
     "tunnel": {"tlsVersion": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256", "group": "X25519",
                "resumed": true, "reused": false, "protocol": "culvert/1",
                "engine": "kernel"}}]})");
  CHECK(render_connections(document, Palette(false)) ==
        "DIRECTION  SOURCE             DESTINATION             SERVICE     AGE  TO-DST   TO-SRC  "
        "ENGINE  CIPHER                  GROUP   RESUMED  SOURCE IDENTITY  DESTINATION IDENTITY\n"
        "inbound    10.0.0.9:1         shop/web-1 10.0.1.1:80  -          0.1s     0 B      0 B  "
        "-       -                       -       -        -                -\n"
        "outbound   shop/c 10.0.0.1:4  shop/w 10.0.1.1:80      web.shop  1m15s   100 B  4.9 KiB  "
        "kernel  TLS_AES_128_GCM_SHA256  X25519  yes      spiffe://a       spiffe://b\n");
}

TEST_CASE("render workloads: why not captured") {
  Json document = Json::parse(R"({"workloads": [
    {"namespace": "shop", "name": "w", "workload": "w", "serviceAccount": "w",
     "identity": "spiffe://w",
     "addresses": ["10.0.0.1", "fd00::1"], "node": "node-a", "local": true, "meshed": true,
     "mode": "STRICT", "captured": false, "reason": "netns gone"}]})");
  CHECK(render_workloads(document, Palette(false)) ==
        "NAMESPACE  NAME  ADDRESSES         NODE    MESHED  MODE    CAPTURED        IDENTITY\n"
        "shop       w     10.0.0.1,fd00::1  node-a  yes     STRICT  no: netns gone  spiffe://w\n");
}

TEST_CASE("render certificates: an SVID that is not there, and the roots") {
  Json document = Json::parse(R"({"source": "authority", "certificates": [
    {"identity": "spiffe://w", "state": "unavailable", "renewAt": "", "error": "no directory"}],
    "bundles": [{"trustDomain": "cluster.local", "roots": [
      {"subject": "CN=root", "serial": "01", "sha256": "ab", "notBefore": "2026-01-01T00:00:00Z",
       "notAfter": "2036-01-01T00:00:00Z", "remainingSeconds": 864000}]}]})");
  CHECK(render_certificates(document, Palette(false)) ==
        "IDENTITY    STATE        SERIAL  ISSUER  NOT BEFORE  NOT AFTER  REMAINING  ERROR\n"
        "spiffe://w  unavailable  -       -       -           -                  -  no directory\n"
        "\n"
        "TRUST DOMAIN   ROOT     SERIAL  NOT BEFORE            NOT AFTER             REMAINING  "
        "SHA-256\n"
        "cluster.local  CN=root  01      2026-01-01T00:00:00Z  2036-01-01T00:00:00Z        10d  "
        "ab\n");
}
