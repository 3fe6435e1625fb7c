// SPDX-License-Identifier: Apache-2.0
// One condition and one connection: what the names of a SPIFFE ID are, how values are compared.
#include <catch2/catch_test_macros.hpp>

#include "evaluator_values.h"

namespace {

using namespace culvert;

struct Row {
  const char *name;
  Condition condition;
  Caller caller;
  bool holds;
};

bool holds(const Condition &condition, const Caller &caller) {
  return evaluate(set_of({allow({{.when = {condition}}})}), caller.subject()).allowed;
}

// Every row is asked as it is, negated, and in `from`, where it means the same.
void check(const std::vector<Row> &rows) {
  for (const Row &row : rows) {
    INFO(row.name);
    CHECK(holds(row.condition, row.caller) == row.holds);
    CHECK(holds(none_of(row.condition), row.caller) == !row.holds);
    const PolicySet set = set_of({allow({{.from = {{row.condition}}}})});
    CHECK(evaluate(set, row.caller.subject()).allowed == row.holds);
  }
}

const Caller a_x = as("td1/ns/a/sa/x");
const Caller a_b_x = as("td1/ns/a-b/sa/x");
const Caller empty_id = {.peer = SpiffeId()};

TEST_CASE("evaluator: plaintext, no value of the source's names matches and negations do") {
  check({
      {"principal *", principals({"*"}), plaintext(), false},
      {"namespace *", namespaces({"*"}), plaintext(), false},
      {"service account *", accounts({"*"}), plaintext(), false},
      {"trust domain *", trust_domains({"*"}), plaintext(), false},
      {"principal", principals({"td1/ns/a/sa/x"}), plaintext(), false},
      {"an empty value is not what is missing", principals({""}), plaintext(), false},
      {"an ID of nothing proves nothing", principals({"*"}), empty_id, false},
      {"an ID of nothing has no trust domain", trust_domains({"*", ""}), empty_id, false},
      {"source.ip is there all the same", ips({"10.0.0.1/32"}), plaintext(), true},
  });
  Condition any_prefix = of(Attribute::source_principal);
  any_prefix.strings = {{StringMatch::Form::prefix, ""}, {StringMatch::Form::suffix, ""}};
  check({{"an empty prefix is not what is missing", any_prefix, plaintext(), false},
         {"an empty prefix is of every value", any_prefix, a_x, true}});
}

TEST_CASE("evaluator: names of a workload's ID, by their whole text") {
  check({
      {"principal", principals({"td1/ns/a/sa/x"}), a_x, true},
      {"principal with its scheme", principals({"spiffe://td1/ns/a/sa/x"}), a_x, false},
      {"principal of another trust domain", principals({"td2/ns/a/sa/x"}), a_x, false},
      {"principal, service account longer", principals({"td1/ns/a/sa/b"}), as("td1/ns/a/sa/bb"),
       false},
      {"principal, service account shorter", principals({"td1/ns/a/sa/bb"}), as("td1/ns/a/sa/b"),
       false},
      {"principal, case", principals({"td1/ns/a/sa/X"}), a_x, false},
      {"namespace", namespaces({"a"}), a_x, true},
      {"namespace, one of", namespaces({"b", "a"}), a_x, true},
      {"namespace a is not a-b", namespaces({"a"}), a_b_x, false},
      {"namespace a-b is not a", namespaces({"a-b"}), a_x, false},
      {"namespace is not the service account", namespaces({"x"}), a_x, false},
      {"service account", accounts({"a/x"}), a_x, true},
      {"service account of another namespace", accounts({"a/x"}), a_b_x, false},
      {"service account without its namespace", accounts({"x"}), a_x, false},
      {"trust domain", trust_domains({"td1"}), a_x, true},
      {"trust domain, another", trust_domains({"td2"}), a_x, false},
      {"trust domain, longer", trust_domains({"cluster.local"}), as("cluster.local.evil/ns/a/sa/x"),
       false},
      {"trust domain named like a path", trust_domains({"ns"}), a_x, false},
      {"principal *", principals({"*"}), a_x, true},
      {"namespace *", namespaces({"*"}), a_x, true},
  });
}

TEST_CASE("evaluator: IDs of another form, principal and trust domain only") {
  for (const char *text : {"td1", "td1/workload", "td1/ns/a", "td1/ns/a/sa", "td1/ns/a/sa/x/y",
                           "td1/sa/x/ns/a", "td1/NS/a/SA/x", "td1/x/ns/a/sa/x", "td1/ns/sa/x",
                           "td1/ns/a/x/sa/x", "td1/nsx/a/sa/x", "td1/ns/a/sax/x"}) {
    INFO(text);
    check({
        {"no namespace", namespaces({"*", "a", "x", "ns", "sa", ""}), as(text), false},
        {"no service account", accounts({"*", "a/x", "a/x/y", "a/", "/x"}), as(text), false},
        {"trust domain", trust_domains({"td1"}), as(text), true},
        {"principal", principals({text}), as(text), true},
        {"principal *", principals({"*"}), as(text), true},
    });
  }
}

TEST_CASE("evaluator: prefix and suffix, byte by byte and no pattern") {
  check({
      {"suffix", principals({"*/sa/admin"}), as("td1/ns/b/sa/admin"), true},
      {"suffix, of every trust domain", principals({"*/ns/a/sa/x"}), as("td2/ns/a/sa/x"), true},
      {"suffix, longer", principals({"*/sa/admin"}), as("td1/ns/b/sa/admin2"), false},
      {"suffix within a name", principals({"*admin"}), as("td1/ns/b/sa/not-admin"), true},
      {"suffix of a path that is no workload's", principals({"*/sa/admin"}), as("td1/x/sa/admin"),
       true},
      {"prefix", principals({"td1/ns/a/*"}), a_x, true},
      {"prefix stops at the slash", principals({"td1/ns/a/*"}), a_b_x, false},
      {"prefix without the slash", principals({"td1/ns/a*"}), a_b_x, true},
      {"prefix of another trust domain", principals({"td1*"}), as("td2/ns/a/sa/x"), false},
      {"prefix of a longer trust domain", principals({"td1*"}), as("td11/ns/a/sa/x"), true},
      {"the whole as prefix", namespaces({"a*"}), a_x, true},
      {"the whole as suffix", namespaces({"*a"}), a_x, true},
      {"longer than the value, prefix", namespaces({"a-b-c*"}), a_b_x, false},
      {"longer than the value, suffix", namespaces({"*-a-b"}), a_b_x, false},
      {"prefix is no suffix", namespaces({"a*"}), as("td1/ns/b-a/sa/x"), false},
      {"suffix is no prefix", namespaces({"*a"}), a_b_x, false},
      {"a dot is a dot", trust_domains({"cluster.*"}), as("cluster-local/ns/a/sa/x"), false},
      {"a second star is itself", principals({"*/ns/*/sa/x"}), a_x, false},
      {"case", namespaces({"A*"}), a_x, false},
  });
}

TEST_CASE("evaluator: address ranges, IPv4 within the mapped form") {
  const auto at = [](const char *ip) { return plaintext().at(ip); };
  check({
      {"/32", ips({"10.0.0.1/32"}), at("10.0.0.1"), true},
      {"/32, its neighbour", ips({"10.0.0.1/32"}), at("10.0.0.0"), false},
      {"/31", ips({"10.0.0.0/31"}), at("10.0.0.1"), true},
      {"/31, behind", ips({"10.0.0.0/31"}), at("10.0.0.2"), false},
      {"/8, last", ips({"10.0.0.0/8"}), at("10.255.255.255"), true},
      {"/8, behind", ips({"10.0.0.0/8"}), at("11.0.0.0"), false},
      {"/8, before", ips({"10.0.0.0/8"}), at("9.255.255.255"), false},
      {"/12, inside a byte", ips({"172.16.0.0/12"}), at("172.31.0.1"), true},
      {"/12, outside by a bit", ips({"172.16.0.0/12"}), at("172.32.0.1"), false},
      {"0.0.0.0/0 is IPv4", ips({"0.0.0.0/0"}), at("203.0.113.9"), true},
      {"0.0.0.0/0 is not IPv6", ips({"0.0.0.0/0"}), at("fd00::1"), false},
      {"0.0.0.0/0 is not ::10.0.0.1", ips({"0.0.0.0/0"}), at("::10.0.0.1"), false},
      {"::/0 is IPv6", ips({"::/0"}), at("fd00::1"), true},
      {"::/0 is not IPv4", ips({"::/0"}), at("10.0.0.1"), false},
      {"::/80 is not IPv4", ips({"::/80"}), at("10.0.0.1"), false},
      {"::/80 is ::10.0.0.1", ips({"::/80"}), at("::10.0.0.1"), true},
      {"::ffff:10.0.0.0/104 is 10.0.0.0/8", ips({"::ffff:10.0.0.0/104"}), at("10.9.9.9"), true},
      {"a client in the mapped form", ips({"10.0.0.0/8"}), at("::ffff:10.9.9.9"), true},
      {"/128", ips({"fd00::1/128"}), at("fd00::1"), true},
      {"/128, its neighbour", ips({"fd00::1/128"}), at("fd00::"), false},
      {"/127", ips({"fd00::2/127"}), at("fd00::3"), true},
      {"/64", ips({"fd00:0:0:1::/64"}), at("fd00:0:0:1::5"), true},
      {"/64, outside", ips({"fd00:0:0:1::/64"}), at("fd00:0:0:2::5"), false},
      {"one of several", ips({"192.0.2.0/24", "fd00::/8", "10.0.0.0/8"}), at("10.1.1.1"), true},
      {"none of several", ips({"192.0.2.0/24", "fd00::/8"}), at("10.1.1.1"), false},
      {"destination.ip", own_ips({"10.0.9.0/24"}), at("192.0.2.1"), true},
      {"destination.ip is not the client's", own_ips({"192.0.2.0/24"}), at("192.0.2.1"), false},
      {"source.ip is not the workload's", ips({"10.0.9.0/24"}), at("192.0.2.1"), false},
      {"destination.ip, IPv6", own_ips({"fd00::9/128"}), plaintext().to_ip("fd00::9"), true},
  });
}

TEST_CASE("evaluator: ports, exactly") {
  check({
      {"one", ports({80}), plaintext().to(80), true},
      {"one of several", ports({443, 80}), plaintext().to(80), true},
      {"none of several", ports({443, 80}), plaintext().to(8080), false},
      {"the last", ports({65535}), plaintext().to(65535), true},
      {"zero is no wildcard", ports({0}), plaintext().to(80), false},
  });
}

TEST_CASE("evaluator: a condition without values, no value matches") {
  check({{"strings", namespaces({}), a_x, false},
         {"ranges", ips({}), a_x, false},
         {"ports", ports({}), a_x, false}});
}

TEST_CASE("evaluator: a value and its exception, both hold") {
  const auto in = [](const Caller &caller) {
    const PolicySet set = set_of({allow({{
        .from = {{namespaces({"a*"}), none_of(accounts({"a-b/x"})), ips({"10.0.0.0/8"}),
                  none_of(ips({"10.6.0.0/16"}))}},
        .to = {{ports({80, 8080}), none_of(ports({8080}))}},
    }})});
    return evaluate(set, caller.to(80).subject()).allowed;
  };
  CHECK(in(a_x));
  CHECK(in(as("td1/ns/a-b/sa/y")));
  CHECK_FALSE(in(a_b_x));
  CHECK_FALSE(in(as("td1/ns/b/sa/y")));
  CHECK_FALSE(in(a_x.at("10.6.1.1")));
  CHECK_FALSE(in(a_x.at("11.0.0.1")));
  CHECK_FALSE(in(plaintext()));
}

}  // namespace
