// SPDX-License-Identifier: Apache-2.0
// What AuthorizationPolicies say: every field, every form, as Istio documents them.
#include "source_directory.h"
#include "source_policy_text.h"

using namespace culvert;

namespace {

const std::string metadata = "{name: p, namespace: shop}";

struct Row {
  const char *name;
  std::string spec, says;
};

SnapshotPtr snapshot_of(const std::string &manifest) {
  ResourcesDirectory directory;
  directory.mesh = {"td.example", "istio-system", {"old-td.example", "b.org"}};
  return directory.of(manifest);
}

void check_rows(const std::vector<Row> &rows) {
  for (const Row &row : rows) {
    INFO(row.name << ": " << row.spec);
    const SnapshotPtr snapshot = snapshot_of(policy_manifest(metadata, row.spec));
    REQUIRE(snapshot->policies.size() == 1);
    const AuthorizationPolicy &policy = *snapshot->policies[0];
    CHECK(text(policy) == row.says);
    CHECK(policy.notes.empty());
    CHECK(snapshot->errors.empty());
  }
}

std::string from(const std::string &source) {
  return "{rules: [{from: [{source: {" + source + "}}]}]}";
}
std::string when(const std::string &condition) {
  return "{rules: [{when: [{" + condition + "}]}]}";
}

}  // namespace

TEST_CASE("source: policies, actions and empty forms") {
  check_rows({
      {"no spec allows nothing", "", "ALLOW: "},
      {"an empty spec allows nothing", "{}", "ALLOW: "},
      {"an empty list of rules is none", "{rules: []}", "ALLOW: "},
      {"null is absent", "{rules: null, action: null, selector: null}", "ALLOW: "},
      {"an empty rule matches everything", "{rules: [{}]}", "ALLOW: always"},
      {"a rule of nulls is an empty one", "{rules: [{from: , to: , when: }]}", "ALLOW: always"},
      {"ALLOW", "{action: ALLOW, rules: [{}]}", "ALLOW: always"},
      {"DENY", "{action: DENY, rules: [{}]}", "DENY: always"},
      {"AUDIT", "{action: AUDIT, rules: [{}]}", "AUDIT: always"},
      {"rules are alternatives", "{action: DENY, rules: [{}, {to: [{operation: {ports: ['1']}}]}]}",
       "DENY: always || to port=1"},
  });
}

TEST_CASE("source: policies, from") {
  check_rows({
      {"an exact principal", from("principals: [x.org/ns/a/sa/b]"),
       "ALLOW: from principal=x.org/ns/a/sa/b"},
      {"a prefix", from("principals: [x.org/ns/a/*]"), "ALLOW: from principal=x.org/ns/a/*"},
      {"a suffix", from("principals: ['*/ns/a/sa/b']"), "ALLOW: from principal=*/ns/a/sa/b"},
      {"presence", from("principals: ['*']"), "ALLOW: from principal=*"},
      {"no identity", from("notPrincipals: ['*']"), "ALLOW: from principal!=*"},
      {"values are alternatives", from("principals: [a, b]"), "ALLOW: from principal=a,b"},
      {"fields must all hold", from("namespaces: [a], ipBlocks: [10.0.0.0/8]"),
       "ALLOW: from namespace=a & ip=10.0.0.0/8"},
      {"a field and its negation must both hold", from("namespaces: ['a*'], notNamespaces: [ab]"),
       "ALLOW: from namespace=a* & namespace!=ab"},
      {"sources are alternatives",
       "{rules: [{from: [{source: {namespaces: [a]}}, {source: {namespaces: [b]}}]}]}",
       "ALLOW: from namespace=a | namespace=b"},
      {"an empty list of values is absent, as in Istio", from("principals: [], namespaces: [a]"),
       "ALLOW: from namespace=a"},
      {"namespaces in all forms", from("namespaces: [a, 'a*', '*a', '*']"),
       "ALLOW: from namespace=a,a*,*a,*"},
      {"a service account of another namespace", from("serviceAccounts: [other/sa.b]"),
       "ALLOW: from account=other/sa.b"},
      {"a service account of the policy's namespace", from("serviceAccounts: [web]"),
       "ALLOW: from account=shop/web"},
      {"any other service account", from("notServiceAccounts: [web, other/web]"),
       "ALLOW: from account!=shop/web,other/web"},
      {"service accounts and addresses", from("serviceAccounts: [web], ipBlocks: [10.0.0.1]"),
       "ALLOW: from account=shop/web & ip=10.0.0.1/32"},
      {"other trust domains", from("trustDomains: [x.org, '*.org', 'x*', '*']"),
       "ALLOW: from td=x.org,td.example,old-td.example,*.org,x*,*"},
      {"namespaces and trust domains must both hold",
       from("namespaces: [a], trustDomains: [x.org]"), "ALLOW: from namespace=a & td=x.org"},
      {"not a trust domain", from("notTrustDomains: [x.org]"), "ALLOW: from td!=x.org"},
  });
}

TEST_CASE("source: policies, trust domain aliases") {
  check_rows({
      {"the trust domain stands for its aliases", from("principals: [td.example/ns/a/sa/b]"),
       "ALLOW: from principal=td.example/ns/a/sa/b,old-td.example/ns/a/sa/b,b.org/ns/a/sa/b"},
      {"an alias stands for the trust domain", from("principals: [b.org/ns/a/sa/b]"),
       "ALLOW: from principal=td.example/ns/a/sa/b,old-td.example/ns/a/sa/b,b.org/ns/a/sa/b"},
      {"cluster.local stands for them all", from("notPrincipals: [cluster.local/ns/a/sa/b]"),
       "ALLOW: from principal!=td.example/ns/a/sa/b,old-td.example/ns/a/sa/b,b.org/ns/a/sa/b"},
      {"with a star behind it", from("principals: [cluster.local/ns/a/sa/*]"),
       "ALLOW: from principal=td.example/ns/a/sa/*,old-td.example/ns/a/sa/*,b.org/ns/a/sa/*"},
      {"a suffix that some of them have", from("principals: ['*-td.example/ns/a/sa/b']"),
       "ALLOW: from principal=td.example/ns/a/sa/b,*-td.example/ns/a/sa/b,b.org/ns/a/sa/b"},
      {"a suffix that two of them have", from("principals: ['*example/ns/a/sa/b']"),
       "ALLOW: from principal=*example/ns/a/sa/b,b.org/ns/a/sa/b"},
      {"another trust domain is itself", from("principals: [a.org/ns/a/sa/b]"),
       "ALLOW: from principal=a.org/ns/a/sa/b"},
      {"any trust domain is not expanded", from("principals: ['*/ns/a/sa/b']"),
       "ALLOW: from principal=*/ns/a/sa/b"},
      {"not the whole form, as in Istio", from("principals: [cluster.local/ns/a/*]"),
       "ALLOW: from principal=cluster.local/ns/a/*"},
      {"trustDomains alike", from("trustDomains: [cluster.local]"),
       "ALLOW: from td=td.example,old-td.example,b.org"},
      {"in when", when("key: source.principal, notValues: [b.org/ns/a/sa/b]"),
       "ALLOW: when principal!=td.example/ns/a/sa/b,old-td.example/ns/a/sa/b,b.org/ns/a/sa/b"},
      {"trust domain in when", when("key: source.trustDomain, values: [old-td.example]"),
       "ALLOW: when td=td.example,old-td.example,b.org"},
  });
}

TEST_CASE("source: policies, address blocks") {
  check_rows({
      {"an address", from("ipBlocks: [10.1.2.3]"), "ALLOW: from ip=10.1.2.3/32"},
      {"a block", from("ipBlocks: [10.0.0.0/8]"), "ALLOW: from ip=10.0.0.0/8"},
      {"bits beyond the prefix are cut", from("ipBlocks: [10.1.2.3/20]"),
       "ALLOW: from ip=10.1.0.0/20"},
      {"all of IPv4", from("ipBlocks: [1.2.3.4/0]"), "ALLOW: from ip=0.0.0.0/0"},
      {"all of IPv6", from("ipBlocks: ['fd00::/0']"), "ALLOW: from ip=::/0"},
      {"IPv6", from("ipBlocks: ['fd00::1', 'fd00:1::/32']"),
       "ALLOW: from ip=fd00::1/128,fd00:1::/32"},
      {"IPv4 written as IPv6 is IPv4", from("ipBlocks: ['::ffff:10.1.2.3', '::ffff:10.0.0.0/104']"),
       "ALLOW: from ip=10.1.2.3/32,10.0.0.0/8"},
      {"not a block", from("notIpBlocks: [10.0.0.0/8]"), "ALLOW: from ip!=10.0.0.0/8"},
  });
}

TEST_CASE("source: policies, to and when") {
  const std::string to = "{rules: [{to: [{operation: {";
  check_rows({
      {"ports", to + "ports: ['80', '65535']}}]}]}", "ALLOW: to port=80,65535"},
      {"ports and not", to + "ports: ['80'], notPorts: ['81']}}]}]}",
       "ALLOW: to port=80 & port!=81"},
      {"operations are alternatives", to + "ports: ['80']}}, {operation: {notPorts: ['81']}}]}]}",
       "ALLOW: to port=80 | port!=81"},
      {"source.ip", when("key: source.ip, values: [10.0.0.1]"), "ALLOW: when ip=10.0.0.1/32"},
      {"source.namespace", when("key: source.namespace, values: ['a*']"),
       "ALLOW: when namespace=a*"},
      {"source.principal", when("key: source.principal, values: ['*']"), "ALLOW: when principal=*"},
      {"source.serviceAccount", when("key: source.serviceAccount, values: [web, other/web]"),
       "ALLOW: when account=shop/web,other/web"},
      {"destination.ip", when("key: destination.ip, notValues: ['fd00::/8']"),
       "ALLOW: when to-ip!=fd00::/8"},
      {"destination.port", when("key: destination.port, values: ['80'], notValues: ['81']"),
       "ALLOW: when port=80 & port!=81"},
      {"conditions must all hold",
       "{rules: [{when: [{key: source.ip, values: [10.0.0.1]}, {key: destination.port, values: "
       "['80']}]}]}",
       "ALLOW: when ip=10.0.0.1/32 & port=80"},
      {"all three",
       "{action: DENY, rules: [{from: [{source: {namespaces: [a]}}], to: [{operation: "
       "{ports: ['80']}}], when: [{key: source.ip, values: [10.0.0.1]}]}]}",
       "DENY: from namespace=a to port=80 when ip=10.0.0.1/32"},
  });
}

TEST_CASE("source: policies, dry run") {
  for (const auto &[value, says] :
       std::vector<std::pair<std::string, std::string>>{{"'true'", "DENY (dry run): always"},
                                                        {"'True'", "DENY (dry run): always"},
                                                        {"'1'", "DENY (dry run): always"},
                                                        {"'false'", "DENY: always"},
                                                        {"", "DENY: always"}}) {
    INFO(value);
    const SnapshotPtr snapshot = snapshot_of(policy_manifest(
        "{name: p, namespace: shop, annotations: {istio.io/dry-run: " + value + "}}",
        "{action: DENY, rules: [{}]}"));
    CHECK(text(*snapshot->policies[0]) == says);
    CHECK(snapshot->errors.empty());
  }
  // What it says is not known: in force, and an ALLOW allows nothing more by that.
  for (const char *bad : {"'yes'", "true", "[]"}) {
    INFO(bad);
    const std::string named =
        std::string("{name: p, namespace: shop, annotations: {istio.io/dry-run: ") + bad + "}}";
    SnapshotPtr snapshot = snapshot_of(policy_manifest(named, "{action: DENY, rules: [{}]}"));
    CHECK(text(*snapshot->policies[0]) == "DENY: always");
    CHECK(snapshot->errors.size() == 1);
    snapshot = snapshot_of(policy_manifest(named, "{rules: [{}]}"));
    CHECK(text(*snapshot->policies[0]) == "ALLOW: never");
    CHECK(snapshot->errors.size() == 1);
  }
}

TEST_CASE("source: a policy for waypoints selects no pod, and is no error") {
  for (const char *spec : {"{targetRefs: [{kind: Gateway, name: x}], action: DENY, rules: [{}]}",
                           "{targetRef: {kind: Service, name: x}, action: DENY, rules: [{}]}"}) {
    INFO(spec);
    const SnapshotPtr snapshot = snapshot_of(pods_for_policies() + policy_manifest(metadata, spec));
    CHECK(pod_of(snapshot, "shop/web")->policies->policies.empty());
    REQUIRE(snapshot->policies.size() == 1);
    CHECK(snapshot->policies[0]->selects == "waypoints");
    REQUIRE(snapshot->policies[0]->notes.size() == 1);
    CHECK(snapshot->policies[0]->notes[0].text.starts_with("targetRefs name waypoints"));
    CHECK(snapshot->errors.empty());
  }
}
