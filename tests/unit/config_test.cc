// SPDX-License-Identifier: Apache-2.0
#include "culvert/config.h"

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>

#include "config/duration.h"

using namespace culvert;
using namespace std::chrono_literals;

namespace {

// The smallest configuration; `more` follows it.
std::string with(const std::string &more) {
  return "node: node-a\n"
         "cgroup: /sys/fs/cgroup/pods\n"
         "resources: {directory: /etc/culvert/resources}\n"
         "identity: {authority: {directory: /var/lib/culvert/authority}}\n" +
         more;
}

std::string error_of(const std::string &text) {
  const auto config = parse_config("c.yaml", text);
  return config ? "" : config.error().text;
}

// The configuration without the line that begins with `key`.
std::string without(const std::string &key) {
  std::string out, text = with("");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at) + 1;
    const std::string line = text.substr(at, end - at);
    if (!line.starts_with(key)) out += line;
    at = end;
  }
  return out;
}

struct Row {
  std::string line;   // line 6 of the file
  std::string where;  // file, line, key
};

}  // namespace

TEST_CASE("config: impossible values, each named with file, line and key") {
  const Row rows[] = {
      {"colour: red", "c.yaml:5: colour: unknown key; accepted: node, "},
      {"node: node-b", "c.yaml:5: the key 'node' is there twice"},
      {"trustDomain: Example.org", "c.yaml:5: trustDomain: 'Example.org'"},
      {"trustDomain: ''", "c.yaml:5: trustDomain: "},
      {"trustDomain: a/b", "c.yaml:5: trustDomain: "},
      {"trustDomain: 12", "c.yaml:5: trustDomain: expected a string, not the integer '12'"},
      {"trustDomainAliases: old.org", "c.yaml:5: trustDomainAliases: expected a list"},
      {"trustDomainAliases: [a, a]", "c.yaml:5: trustDomainAliases[1]: 'a' is there twice"},
      {"trustDomainAliases: [cluster.local]", "c.yaml:5: trustDomainAliases: the trust domain"},
      {"rootNamespace: a.b", "c.yaml:5: rootNamespace: "},
      {"bpffs: culvert", "c.yaml:5: bpffs: 'culvert' is not such a path; accepted: an absolute"},
      {"bpffs: /sys/../etc", "c.yaml:5: bpffs: "},
      {"bpffs: /sys//fs", "c.yaml:5: bpffs: "},
      {"bpffs: /sys/fs/", "c.yaml:5: bpffs: "},
      {"bpffs: \"/sys/\\nx\"", "c.yaml:5: bpffs: '/sys/\\x0ax'"},
      {"runtimeDirectory: /" + std::string(97, 'x'), "c.yaml:5: runtimeDirectory: "},
      {"tunnel: fast", "c.yaml:5: tunnel: expected a map, not 'fast'; accepted: a map with"},
      {"tunnel: [records]", "c.yaml:5: tunnel: expected a map, not a list"},
      {"tunnel:", "c.yaml:5: tunnel: expected a map, not nothing"},
      {"tunnel: {record: auto}", "c.yaml:5: tunnel.record: unknown key; accepted: records, "},
      {"tunnel: {records: fast}",
       "c.yaml:5: tunnel.records: unknown value 'fast'; accepted: auto, kernel, userspace"},
      {"tunnel: {records: true}", "c.yaml:5: tunnel.records: expected a string"},
      {"tunnel: {cipherSuites: []}", "c.yaml:5: tunnel.cipherSuites: expected a list with at"},
      {"tunnel: {cipherSuites: [TLS_AES_128_CCM_SHA256]}",
       "c.yaml:5: tunnel.cipherSuites[0]: unknown value 'TLS_AES_128_CCM_SHA256'; accepted: TLS_"},
      {"tunnel: {cipherSuites: [TLS_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]}",
       "c.yaml:5: tunnel.cipherSuites[1]: TLS_AES_128_GCM_SHA256 is there twice"},
      {"tunnel: {handshakeTimeout: 10}",
       "c.yaml:5: tunnel.handshakeTimeout: expected a duration, not the integer '10'; accepted: "},
      {"tunnel: {handshakeTimeout: -10s}", "c.yaml:5: tunnel.handshakeTimeout: "},
      {"tunnel: {handshakeTimeout: 0s}", "c.yaml:5: tunnel.handshakeTimeout: '0s' is out of"},
      {"tunnel: {handshakeTimeout: 24h}", "c.yaml:5: tunnel.handshakeTimeout: '24h' is out of"},
      {"tunnel: {handshakeTimeout: 10500us}", "c.yaml:5: tunnel.handshakeTimeout: '10500us' is f"},
      {"tunnel: {connectionsMax: 0}", "c.yaml:5: tunnel.connectionsMax: '0' is not acceptable"},
      {"tunnel: {connectionsMax: -1}", "c.yaml:5: tunnel.connectionsMax: "},
      {"tunnel: {connectionsMax: 99999999999999999999}", "c.yaml:5: tunnel.connectionsMax: "},
      {"tunnel: {connectionsMax: '5'}", "c.yaml:5: tunnel.connectionsMax: "},
      {"tunnel: {connectionsMax: 1.5}", "c.yaml:5: tunnel.connectionsMax: "},
      {"tunnel: {handshakesMax: 0}", "c.yaml:5: tunnel.handshakesMax: "},
      {"tunnel: {keepalive: 0s}", "c.yaml:5: tunnel.keepalive: "},
      {"tunnel: {keepalive: 1500ms}", "c.yaml:5: tunnel.keepalive: '1500ms' is finer than 1s"},
      {"tunnel: {keepalive: 10h}", "c.yaml:5: tunnel.keepalive: "},
      {"tunnel: {keyUpdateRecords: 0}", "c.yaml:5: tunnel.keyUpdateRecords: "},
      {"tunnel: {keyUpdateRecords: 16777217}", "c.yaml:5: tunnel.keyUpdateRecords: "},
      {"tunnel: {drainTimeout: 2h}", "c.yaml:5: tunnel.drainTimeout: "},
      {"tunnel: {resumption: maybe}", "c.yaml:5: tunnel.resumption: expected true or false"},
      {"tunnel: {resumption: 'true'}", "c.yaml:5: tunnel.resumption: "},
      {"tunnel: {reuse: {idleMax: -1}}", "c.yaml:5: tunnel.reuse.idleMax: "},
      {"tunnel: {reuse: {idleTimeout: 0}}", "c.yaml:5: tunnel.reuse.idleTimeout: "},
      {"tunnel: {reuse: {ageMax: 1d}}", "c.yaml:5: tunnel.reuse.ageMax: "},
      {"tunnel: {reuse: {max: 1}}", "c.yaml:5: tunnel.reuse.max: unknown key; accepted: idleMax,"},
      {"dataThreads: -1", "c.yaml:5: dataThreads: "},
      {"dataThreads: 257", "c.yaml:5: dataThreads: "},
      {"dataThreads: two", "c.yaml:5: dataThreads: "},
      {"metrics: 127.0.0.1:15020", "c.yaml:5: metrics: expected a map"},
      {"metrics: {listen: localhost:15020}", "c.yaml:5: metrics.listen: "},
      {"metrics: {listen: 127.0.0.1}", "c.yaml:5: metrics.listen: '127.0.0.1' has no port"},
      {"metrics: {listen: '127.0.0.1:0'}", "c.yaml:5: metrics.listen: "},
      {"metrics: {listen: '127.0.0.1:65536'}", "c.yaml:5: metrics.listen: "},
      {"metrics: {listen: '127.0.0.1:80x'}", "c.yaml:5: metrics.listen: "},
      {"metrics: {listen: '::1:15020'}", "c.yaml:5: metrics.listen: "},
      {"log: {level: loud}", "c.yaml:5: log.level: unknown value 'loud'; accepted: debug, info,"},
      {"log: {format: xml}", "c.yaml:5: log.format: unknown value 'xml'; accepted: text, json"},
      {"log: {<<: {}}", "c.yaml:5: log: merge keys"},
      {"log: [", "c.yaml:6: not YAML: "},
      {"---\nnode: b", "c.yaml:6: a second document; accepted: one document"},
  };
  for (const Row &row : rows) {
    INFO(row.line);
    const std::string error = error_of(with(row.line + "\n"));
    CHECK(error.substr(0, row.where.size()) == row.where);
    CHECK(error.find('\n') == std::string::npos);
  }
}

TEST_CASE("config: what must be there is asked for") {
  CHECK(error_of("").starts_with("c.yaml:1: the file is empty"));
  CHECK(error_of("# nothing\n").starts_with("c.yaml:1: the file is empty"));
  CHECK(error_of("node").starts_with("c.yaml:1: expected a map, not 'node'"));
  for (const char *key : {"node", "cgroup", "resources", "identity"}) {
    INFO(key);
    const std::string expected = std::string("c.yaml:1: ") + key + ": this key is missing; acc";
    CHECK(error_of(without(key)).starts_with(expected));
  }
}

TEST_CASE("config: the sources of later versions say what to write instead") {
  const auto replaced = [](const std::string &key, const std::string &line) {
    return error_of(without(key) + line + "\n");
  };
  CHECK(replaced("resources", "resources: {kubernetes: {}}") ==
        "c.yaml:4: resources.kubernetes: not available in this version; accepted: directory: PATH");
  CHECK(replaced("identity", "identity: {files: {directory: /a}}")
            .starts_with("c.yaml:4: identity.files: not available in this version; accepted: "));
  CHECK(replaced("identity", "identity: {spiffe: {api: delegated}}")
            .starts_with("c.yaml:4: identity.spiffe: not available in this version; accepted: "));
  CHECK(replaced("resources", "resources: {directory: /a, kubernetes: {}}")
            .starts_with("c.yaml:4: resources: expected a map with one key, not 2 keys"));
  CHECK(replaced("resources", "resources: {}").starts_with("c.yaml:4: resources: expected a map"));
  CHECK(replaced("resources", "resources: {directory: a}")
            .starts_with("c.yaml:4: resources.directory: 'a' is not such a path"));
  CHECK(replaced("identity", "identity: {authority: {ttl: 1h}}")
            .starts_with("c.yaml:4: identity.authority: the key directory is missing"));
  CHECK(replaced("identity", "identity: {authority: {directory: /a, ttl: 500ms}}")
            .starts_with("c.yaml:4: identity.authority.ttl: '500ms' is out of range"));
  CHECK(replaced("node", "node: Node_A").starts_with("c.yaml:4: node: 'Node_A' is not a name"));
}

TEST_CASE("config: defaultMode is STRICT or PERMISSIVE, and nothing else") {
  for (const char *value : {"strict", "DISABLE", "UNSET", "''"}) {
    INFO(value);
    const std::string error = error_of(with("defaultMode: " + std::string(value) + "\n"));
    CHECK(error.starts_with("c.yaml:5: defaultMode: unknown value "));
    CHECK(error.ends_with("; accepted: STRICT, PERMISSIVE"));
  }
  for (const char *value : {"", "[STRICT]", "true"}) {
    INFO(value);
    CHECK(error_of(with("defaultMode: " + std::string(value) + "\n"))
              .starts_with("c.yaml:5: defaultMode: "));
  }
  const auto mode = [](const std::string &more) {
    return parse_config("c.yaml", with(more))->default_mode;
  };
  CHECK(mode("") == MtlsMode::permissive);
  CHECK(mode("defaultMode: PERMISSIVE\n") == MtlsMode::permissive);
  CHECK(mode("defaultMode: STRICT\n") == MtlsMode::strict);
}

TEST_CASE("config: the smallest one has the documented defaults") {
  const auto config = parse_config("c.yaml", with(""));
  REQUIRE(config);
  CHECK(config->file == "c.yaml");
  CHECK(config->node == "node-a");
  CHECK(config->trust_domain == "cluster.local");
  CHECK(config->trust_domain_aliases.empty());
  CHECK(config->root_namespace == "istio-system");
  CHECK(config->bpffs == "/sys/fs/bpf/culvert/node-a");
  CHECK(config->runtime_directory == "/run/culvert");
  CHECK(config->authority.ttl == 1h);
  CHECK(config->tunnel.records == RecordsChoice::automatic);
  CHECK(config->tunnel.cipher_suites.size() == 3);
  CHECK(config->tunnel.handshake_timeout == 10s);
  CHECK(config->tunnel.connections_max == 100000);
  CHECK(config->tunnel.idle_max == 128);
  CHECK(config->tunnel.idle_timeout == 30s);
  CHECK(config->tunnel.age_max == 10min);
  CHECK(config->tunnel.resumption);
  const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  const long expected = cores / 2 < 1 ? 1 : cores / 2 > 4 ? 4 : cores / 2;
  CHECK(config->data_threads == static_cast<unsigned>(expected));
  CHECK(config->metrics_listen == "127.0.0.1:15020");
  CHECK(config->log.level == "info");
  CHECK_FALSE(config->log.json);
}

TEST_CASE("config: every key lands where it belongs") {
  const auto config = parse_config("c.yaml", R"(
node: node-b.example
trustDomain: prod.example_1
trustDomainAliases: [old.example, older.example]
rootNamespace: mesh
cgroup: /sys/fs/cgroup
bpffs: /sys/fs/bpf/b
runtimeDirectory: /run/culvert/b
resources:
  directory: /etc/r
identity:
  authority: {directory: /var/a, ttl: 90s}
tunnel:
  records: userspace
  cipherSuites: [TLS_CHACHA20_POLY1305_SHA256]
  handshakeTimeout: 1m30s
  connectionsMax: 7
  handshakesMax: 8
  reuse: {idleMax: 0, idleTimeout: 1.5s, ageMax: 2h}
  resumption: false
  keepalive: 5s
  keyUpdateRecords: 1000
  drainTimeout: 0s
defaultMode: STRICT
dataThreads: 3
metrics: {listen: "[::1]:9090"}
log: {level: debug, format: json}
)");
  REQUIRE(config);
  CHECK(config->node == "node-b.example");
  CHECK(config->trust_domain == "prod.example_1");
  CHECK(config->trust_domain_aliases == std::vector<std::string>{"old.example", "older.example"});
  CHECK(config->root_namespace == "mesh");
  CHECK(config->cgroup == "/sys/fs/cgroup");
  CHECK(config->bpffs == "/sys/fs/bpf/b");
  CHECK(config->runtime_directory == "/run/culvert/b");
  CHECK(config->resources_directory == "/etc/r");
  CHECK(config->authority.directory == "/var/a");
  CHECK(config->authority.ttl == 90s);
  CHECK(config->tunnel.records == RecordsChoice::userspace);
  CHECK(config->tunnel.cipher_suites == std::vector{CipherSuite::chacha20_poly1305_sha256});
  CHECK(config->tunnel.handshake_timeout == 90s);
  CHECK(config->tunnel.connections_max == 7);
  CHECK(config->tunnel.handshakes_max == 8);
  CHECK(config->tunnel.idle_max == 0);
  CHECK(config->tunnel.idle_timeout == 1500ms);
  CHECK(config->tunnel.age_max == 2h);
  CHECK_FALSE(config->tunnel.resumption);
  CHECK(config->tunnel.keepalive == 5s);
  CHECK(config->tunnel.key_update_records == 1000);
  CHECK(config->tunnel.drain_timeout == 0s);
  CHECK(config->default_mode == MtlsMode::strict);
  CHECK(config->data_threads == 3);
  CHECK(config->metrics_listen == "[::1]:9090");
  CHECK(config->log.level == "debug");
  CHECK(config->log.json);
}

TEST_CASE("config: a file that cannot be read is an error with its name") {
  CHECK(load_config("/nonexistent/c.yaml").error().text ==
        "/nonexistent/c.yaml: cannot open: No such file or directory; give a readable file with "
        "--config");
  CHECK(load_config("/").error().text.starts_with("/: cannot read: Is a directory"));
  const auto path = std::filesystem::temp_directory_path() /
                    ("culvert-config-test." + std::to_string(::getpid()));
  std::ofstream(path) << with("");
  CHECK(load_config(path));
  std::ofstream(path) << std::string((1 << 20) + 1, '#');
  CHECK(load_config(path).error().text.find("larger than 1048576 bytes") != std::string::npos);
  std::filesystem::remove(path);
}

TEST_CASE("config: durations") {
  for (const char *bad :
       {"", "s", "10", "-1s", "+1s", "1 s", "1d", "1s ", "1.s", ".5s", "1..5s", "1.0000000001s",
        "0.5ns", "9223372036855s", "99999999999999999999s", "2562048h", "1e3s", "1S", "1m30"}) {
    INFO(bad);
    CHECK_FALSE(parse_go_duration(bad));
  }
  CHECK(parse_go_duration("0") == 0ns);
  CHECK(parse_go_duration("10s") == 10s);
  CHECK(parse_go_duration("1m30s") == 90s);
  CHECK(parse_go_duration("500ms") == 500ms);
  CHECK(parse_go_duration("1h") == 1h);
  CHECK(parse_go_duration("1.5h") == 90min);
  CHECK(parse_go_duration("1h0m0s") == 1h);
  CHECK(parse_go_duration("3us4ns") == 3004ns);
  for (const auto duration : {0ns, 1ns, 1500000ns, 90000000000ns, 3600000000000ns}) {
    CHECK(parse_go_duration(duration_text(duration)) == duration);
  }
}
