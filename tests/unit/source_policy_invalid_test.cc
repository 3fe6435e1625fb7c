// SPDX-License-Identifier: Apache-2.0
// What cannot be judged or read never makes a policy wider: an ALLOW rule with it never matches, a
// DENY rule matches more. And it is said, with field and effect.
#include "source_directory.h"
#include "source_policy_text.h"

using namespace culvert;

namespace {

const std::string shop = "{name: p, namespace: shop}";

// A rule with something in it that is not taken at its word.
struct Row {
  std::string rule;
  std::string path;  // behind "spec.rules[0]"
  std::string text;  // its beginning
  std::string denies;  // what is left of it in a DENY
};

SnapshotPtr snapshot_of(const std::string &manifest) { return ResourcesDirectory().of(manifest); }

void check_notes(const AuthorizationPolicy &policy, const Row &row, const std::string &effect) {
  REQUIRE(policy.notes.size() == 1);
  CHECK(policy.notes[0].path == "spec.rules[0]" + row.path);
  CHECK(policy.notes[0].text.substr(0, row.text.size()) == row.text);
  CHECK(policy.notes[0].text.contains(effect));
  CHECK(policy.notes[0].line == 5);
}

void check_rows(const std::vector<Row> &rows, std::size_t errors) {
  for (const Row &row : rows) {
    INFO(row.rule);
    const std::string rules = "rules: [" + row.rule + "]}";
    SnapshotPtr snapshot = snapshot_of(policy_manifest(shop, "{" + rules));
    const AuthorizationPolicy allow = *snapshot->policies.at(0);
    CHECK(allow.rules.at(0).never);
    check_notes(allow, row, ", so the rule allows nothing: ");
    REQUIRE(snapshot->errors.size() == errors);
    if (errors != 0) {
      CHECK(snapshot->errors[0].object == "AuthorizationPolicy shop/p");
      CHECK(snapshot->errors[0].line == 5);
      CHECK(snapshot->errors[0].text == allow.notes[0].path + ": " + allow.notes[0].text);
    }
    for (const std::string action : {"DENY", "CUSTOM"}) {
      snapshot = snapshot_of(policy_manifest(shop, "{action: " + action + ", " + rules));
      AuthorizationPolicy deny = *snapshot->policies.at(0);
      CHECK(text(deny) == action + ": " + row.denies);
      if (action == "CUSTOM") {
        REQUIRE(deny.notes.size() == 2);
        CHECK(deny.notes[0].path == "spec.action");
        CHECK(deny.notes[0].text.contains("no provider"));
        deny.notes.erase(deny.notes.begin());
      }
      check_notes(deny, row, ", so the rule denies whatever it is: ");
      CHECK(snapshot->errors.size() == errors);
    }
  }
}

Row source(const std::string &fields, const std::string &path, const std::string &text,
           const std::string &denies) {
  return {"{from: [{source: {" + fields + "}}]}", ".from[0].source" + path, text, denies};
}
Row operation(const std::string &fields, const std::string &path, const std::string &text,
              const std::string &denies) {
  return {"{to: [{operation: {" + fields + "}}]}", ".to[0].operation" + path, text, denies};
}
Row when(const std::string &condition, const std::string &path, const std::string &text,
         const std::string &denies) {
  return {"{when: [{" + condition + "}]}", ".when[0]" + path, text, denies};
}

}  // namespace

TEST_CASE("source: policies, what belongs to HTTP: ALLOW rules match nothing, DENY ignores it") {
  const std::string text = " is not to be seen in a TCP connection";
  std::vector<Row> rows = {
      // A DENY of which only `from` can be judged is no no-op: it denies that `from`.
      {"{from: [{source: {namespaces: [a]}}], to: [{operation: {paths: [/admin]}}]}",
       ".to[0].operation.paths", "paths" + text, "from namespace=a to any"},
      {"{from: [{source: {namespaces: [a]}}], when: [{key: 'request.headers[x]', values: [y]}]}",
       ".when[0].key", "'request.headers[x]'" + text, "from namespace=a"},
      {"{from: [{source: {namespaces: [a]}}], to: [{operation: {ports: ['80'], hosts: [x]}}]}",
       ".to[0].operation.hosts", "hosts" + text, "from namespace=a to port=80"},
      {"{to: [{operation: {ports: ['80']}}, {operation: {methods: [GET]}}]}",
       ".to[1].operation.methods", "methods" + text, "to port=80 | any"},
  };
  for (const std::string field :
       {"requestPrincipals", "notRequestPrincipals", "remoteIpBlocks", "notRemoteIpBlocks"}) {
    rows.push_back(source(field + ": [x]", "." + field, field + text, "from any"));
    rows.push_back(source("namespaces: [a], " + field + ": [x]", "." + field, field + text,
                          "from namespace=a"));
  }
  for (const std::string field :
       {"hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"}) {
    rows.push_back(operation(field + ": [x]", "." + field, field + text, "to any"));
  }
  for (const std::string key :
       {"request.auth.principal", "request.auth.claims[iss]", "remote.ip", "connection.sni",
        "experimental.envoy.filters.network.mysql_proxy[db]"}) {
    rows.push_back(
        when("key: '" + key + "', values: [x]", ".key", "'" + key + "'" + text, "always"));
    rows.push_back(when("key: '" + key + "', notValues: [x]", ".key", "'" + key, "always"));
  }
  check_rows(rows, 0);
}

TEST_CASE("source: policies, bad ports") {
  std::vector<Row> rows;
  for (const std::string port : {"'0'", "'99999'", "'65536'", "http", "'80-90'", "'-1'", "'+80'",
                                 "' 80'", "'80 '", "'0x50'", "'80,81'", "'4294967376'", "''"}) {
    const std::string text = "expected one port between 1 and 65535, not " +
                             (port.starts_with('\'') ? port : "'" + port + "'");
    rows.push_back(operation("ports: [" + port + "]", ".ports[0]", text, "to any"));
    rows.push_back(operation("notPorts: ['1', " + port + "]", ".notPorts[1]", text, "to any"));
    rows.push_back(
        when("key: destination.port, values: [" + port + "]", ".values[0]", text, "always"));
  }
  rows.push_back(operation("ports: ['80', '99999']", ".ports[1]", "expected one", "to any"));
  rows.push_back(
      operation("ports: [80]", ".ports[0]", "expected a string, not the integer '80'", "to any"));
  rows.push_back(
      operation("ports: '80'", ".ports", "expected a list, not the string '80'", "to any"));
  rows.push_back(operation("ports: {a: b}", ".ports", "expected a list, not a map", "to any"));
  check_rows(rows, 1);
}

TEST_CASE("source: policies, bad address blocks") {
  std::vector<Row> rows;
  for (const std::string block :
       {"10.0.0.256", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "/8", "10.0.0/8",
        "fd00::/129", "fd00::1%eth0", "::ffff:10.0.0.0/95", "10.0.0.0/8/8", "web", "*", ""}) {
    const std::string text = "'" + block + "' is neither an IP address nor a block";
    rows.push_back(source("ipBlocks: ['" + block + "']", ".ipBlocks[0]", text, "from any"));
    rows.push_back(
        source("notIpBlocks: [10.0.0.1, '" + block + "']", ".notIpBlocks[1]", text, "from any"));
    rows.push_back(when("key: source.ip, values: ['" + block + "']", ".values[0]", text, "always"));
    rows.push_back(
        when("key: destination.ip, notValues: ['" + block + "']", ".notValues[0]", text, "always"));
  }
  rows.push_back(source("ipBlocks: [10]", ".ipBlocks[0]", "expected a string", "from any"));
  check_rows(rows, 1);
}

TEST_CASE("source: policies, bad strings") {
  const std::string stars = " has a star in the middle or two: accepted are x, x*, *x and *";
  const std::string bytes = " has a blank, a control character or one beyond ASCII";
  std::vector<Row> rows = {
      source("principals: ['']", ".principals[0]", "the string is empty", "from any"),
      source("principals: ['spiffe://a/ns/b/sa/c']", ".principals[0]",
             "'spiffe://a/ns/b/sa/c' would never match", "from any"),
      source("principals: ['a*b']", ".principals[0]", "'a*b'" + stars, "from any"),
      source("principals: ['*/ns/a/*']", ".principals[0]", "'*/ns/a/*'" + stars, "from any"),
      source("principals: ['**']", ".principals[0]", "'**'" + stars, "from any"),
      source("principals: [\"a\\x01\"]", ".principals[0]", "'a\\x01'" + bytes, "from any"),
      source("principals: ['a b']", ".principals[0]", "'a b'" + bytes, "from any"),
      source("principals: [\"a\\xe9\"]", ".principals[0]", "'a", "from any"),
      source("principals: [" + std::string(2049, 'x') + "]", ".principals[0]",
             "longer than 2048 characters", "from any"),
      source("principals: [[a]]", ".principals[0]", "expected a string, not a list", "from any"),
      source("principals: [null]", ".principals[0]", "expected a string", "from any"),
      source("principals: a", ".principals", "expected a list, not 'a'", "from any"),
      source("namespaces: [" + std::string(64, 'x') + "]", ".namespaces[0]",
             "longer than 63 characters", "from any"),
      source("notNamespaces: [a, '']", ".notNamespaces[1]", "the string is empty", "from any"),
      source("trustDomains: [" + std::string(256, 'x') + "]", ".trustDomains[0]",
             "longer than 255 characters", "from any"),
      source("trustDomains: ['a*b']", ".trustDomains[0]", "'a*b'" + stars, "from any"),
      when("key: source.namespace, values: ['']", ".values[0]", "the string is empty", "always"),
      when("key: source.principal, notValues: ['a*b']", ".notValues[0]", "'a*b'" + stars, "always"),
      // what is good beside it stays
      source("namespaces: [a], notPrincipals: ['']", ".notPrincipals[0]", "the string is empty",
             "from namespace=a"),
      when("key: source.namespace, values: [a], notValues: ['']", ".notValues[0]",
           "the string is empty", "when namespace=a"),
  };
  for (const std::string account :
       {"", "/", "a/", "/a", "a/b/c", "a/*", "*", "*/a", "A/b", "a b"}) {
    rows.push_back(source("serviceAccounts: ['" + account + "']", ".serviceAccounts[0]",
                          "'" + account + "' is no service account", "from any"));
    rows.push_back(when("key: source.serviceAccount, notValues: ['" + account + "']",
                        ".notValues[0]", "'" + account + "' is no service", "always"));
  }
  std::string many;
  for (int i = 0; i <= 4096; ++i)
    many += "a,";
  rows.push_back(
      source("namespaces: [" + many + "]", ".namespaces", "more than 4096 values", "from any"));
  check_rows(rows, 1);
}

TEST_CASE("source: policies, service accounts do not stand with principals or namespaces") {
  std::vector<Row> rows;
  for (const std::string account : {"serviceAccounts", "notServiceAccounts"}) {
    for (const std::string other : {"principals", "notPrincipals", "namespaces", "notNamespaces"}) {
      rows.push_back(source("ipBlocks: [10.0.0.1], " + account + ": [a], " + other + ": [b]", "",
                            "service accounts stand together with principals or namespaces",
                            "from ip=10.0.0.1/32"));
    }
  }
  check_rows(rows, 1);
}

TEST_CASE("source: policies, fields that are unknown, empty or of a wrong type") {
  check_rows(
      {
          {"{form: [{source: {namespaces: [a]}}]}", ".form", "unknown field", "always"},
          {"{from: {source: {}}}", ".from", "expected a list, not a map", "always"},
          {"{from: []}", ".from", "the list is empty", "always"},
          {"{from: [{}]}", ".from[0]", "expected a map with source", "from any"},
          {"{from: [null]}", ".from[0]", "expected a map with source", "from any"},
          {"{from: [{source: }]}", ".from[0]", "expected a map with source", "from any"},
          {"{from: [{source: a}]}", ".from[0].source", "expected a map, not 'a'", "from any"},
          source("", "", "it names nothing", "from any"),
          source("principals: []", "", "it names nothing", "from any"),
          source("principal: [a]", ".principal", "unknown field", "from any"),
          source("namespaces: [a], ports: ['1']", ".ports", "unknown field", "from namespace=a"),
          {"{from: [{source: {namespaces: [a]}, x: 1}]}", ".from[0].x", "unknown field",
           "from namespace=a"},
          {"{to: []}", ".to", "the list is empty", "always"},
          {"{to: 1}", ".to", "expected a list", "always"},
          {"{to: [{operations: }]}", ".to[0]", "expected a map with operation", "to any"},
          operation("", "", "it names nothing", "to any"),
          operation("port: ['1']", ".port", "unknown field", "to any"),
          operation("paths: /admin", ".paths", "expected a list, not '/admin'", "to any"),
          {"{when: {}}", ".when", "expected a list, not a map", "always"},
          {"{when: [a]}", ".when[0]", "key is missing", "always"},
          when("values: [a]", "", "key is missing or empty", "always"),
          when("key: 1, values: [a]", ".key", "expected a string", "always"),
          when("key: source.ip", "", "neither values nor notValues", "always"),
          when("key: source.ip, values: []", "", "neither values nor notValues", "always"),
          when("key: source.ip, values: 10.0.0.1", ".values", "expected a list", "always"),
          when("key: source.ip, values: [10.0.0.1], value: [a]", ".value", "unknown field",
               "when ip=10.0.0.1/32"),
          when("key: source.user, values: [a]", ".key", "unknown key 'source.user'", "always"),
          when("key: 'destination.labels[a]', values: [a]", ".key", "unknown key", "always"),
          {"a", "", "expected a map, not 'a'", "always"},
          {"null", "", "expected a map, not nothing", "always"},
          {"[]", "", "expected a map, not a list", "always"},
      },
      1);
}

TEST_CASE("source: policies, rules that are no list or too many: as narrow as can be") {
  std::string many;
  for (int i = 0; i <= 512; ++i)
    many += "{},";
  for (const std::string &rules : {std::string("{}"), std::string("all"), "[" + many + "]"}) {
    for (const std::string says : {"ALLOW: ", "DENY: always", "CUSTOM: always", "AUDIT: "}) {
      const std::string action = says.substr(0, says.find(':'));
      const SnapshotPtr snapshot =
          snapshot_of(policy_manifest(shop, "{action: " + action + ", rules: " + rules + "}"));
      CHECK(text(*snapshot->policies[0]) == says);
      REQUIRE(snapshot->errors.size() == 1);
      CHECK(snapshot->errors[0].text.starts_with("spec.rules: "));
    }
  }
}

TEST_CASE("source: policies, a DENY without rules denies nothing and is an error") {
  for (const std::string action : {"DENY", "CUSTOM"}) {
    const SnapshotPtr snapshot = snapshot_of(policy_manifest(shop, "{action: " + action + "}"));
    CHECK(text(*snapshot->policies[0]) == action + ": ");
    REQUIRE(snapshot->errors.size() == 1);
    CHECK(snapshot->errors[0].text ==
          "spec: it has no rules, so it never denies anything: write rules: [{}] to deny "
          "everything");
  }
}

TEST_CASE("source: policies, an AUDIT rule is judged without what cannot be") {
  const SnapshotPtr snapshot = snapshot_of(policy_manifest(
      shop, "{action: AUDIT, rules: [{to: [{operation: {ports: [x], paths: [/]}}]}]}"));
  CHECK(text(*snapshot->policies[0]) == "AUDIT: to any");
  CHECK(snapshot->policies[0]->notes.size() == 2);
  CHECK(snapshot->errors.size() == 1);
}

TEST_CASE("source: policies, a flood of mistakes is a bounded number of notes") {
  std::string many;
  for (int i = 0; i < 500; ++i)
    many += "{x: 1},";
  const SnapshotPtr snapshot = snapshot_of(policy_manifest(shop, "{rules: [" + many + "]}"));
  const AuthorizationPolicy &policy = *snapshot->policies[0];
  CHECK(policy.rules.size() == 500);
  for (const PolicyRule &rule : policy.rules)
    CHECK(rule.never);
  CHECK(policy.notes.size() == 101);
  CHECK(policy.notes.back().text.contains("is not listed"));
  CHECK(snapshot->errors.size() == 101);
}
