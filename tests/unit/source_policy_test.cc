// SPDX-License-Identifier: Apache-2.0
// Which AuthorizationPolicies a workload gets, and that what did not change is the same object.
#include <algorithm>

#include "source_directory.h"
#include "source_policy_text.h"

using namespace culvert;

namespace {

const std::string pods = pods_for_policies();
const std::string shop = "{name: p, namespace: shop}", root = "{name: p, namespace: istio-system}";

std::string named(const std::string &ns, const std::string &name) {
  return "{name: " + name + ", namespace: " + ns + "}";
}
std::string selecting(const std::string &labels, const std::string &rest = {}) {
  return "{selector: {matchLabels: {" + labels + "}}" + rest + "}";
}

// The keys of a workload's set: "shop/a shop/b".
std::string set_of(const SnapshotPtr &snapshot, const std::string &pod) {
  const WorkloadPtr workload = pod_of(snapshot, pod);
  REQUIRE(workload != nullptr);
  REQUIRE(workload->policies != nullptr);
  std::string keys;
  for (const PolicyPtr &policy : workload->policies->policies)
    keys += (keys.empty() ? "" : " ") + policy->key();
  return keys;
}

}  // namespace

TEST_CASE("source: a policy is in the sets of exactly the pods that it selects") {
  struct Row {
    std::string name, text;
    bool web, db, other;  // shop/web, shop/db, other/web
    std::string selects;
  };
  const Row rows[] = {
      {"its namespace", policy_manifest(shop, "{}"), true, true, false, "namespace shop"},
      {"no spec", policy_manifest(shop, ""), true, true, false, "namespace shop"},
      {"a selector", policy_manifest(shop, selecting("app: web")), true, false, false,
       "namespace shop, app=web"},
      {"of two labels", policy_manifest(shop, selecting("app: web, culvert.dev/mesh: enabled")),
       true, false, false, "namespace shop, app=web, culvert.dev/mesh=enabled"},
      {"of a label that no pod has", policy_manifest(shop, selecting("app: web, x: y")), false,
       false, false, "namespace shop, app=web, x=y"},
      {"an empty selector", policy_manifest(shop, selecting("")), true, true, false,
       "namespace shop"},
      {"the mesh", policy_manifest(root, "{}"), true, true, true, "mesh"},
      {"the mesh, with a selector", policy_manifest(root, selecting("app: web")), true, false, true,
       "mesh, app=web"},
      {"another namespace", policy_manifest(named("elsewhere", "p"), "{}"), false, false, false,
       "namespace elsewhere"},
      {"namespace default", policy_manifest("{name: p}", "{}"), false, false, false,
       "namespace default"},
      {"v1beta1",
       "---\napiVersion: security.istio.io/v1beta1\nkind: AuthorizationPolicy\nmetadata: " + shop +
           "\nspec: {}\n",
       true, true, false, "namespace shop"},
      {"in a list",
       "---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: security.istio.io/v1, kind: "
       "AuthorizationPolicy, metadata: {namespace: shop, name: p}}\n",
       true, true, false, "namespace shop"},
      {"in a typed list",
       "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicyList\nitems:\n"
       "- {metadata: {namespace: shop, name: p}}\n",
       true, true, false, "namespace shop"},
      {"an empty list of targets", policy_manifest(shop, "{targetRefs: []}"), true, true, false,
       "namespace shop"},
  };
  for (const Row &row : rows) {
    INFO(row.name);
    ResourcesDirectory directory;
    const SnapshotPtr snapshot = directory.of(pods + row.text);
    CHECK(set_of(snapshot, "shop/web").empty() == !row.web);
    CHECK(set_of(snapshot, "shop/db").empty() == !row.db);
    CHECK(set_of(snapshot, "other/web").empty() == !row.other);
    CHECK(pod_of(snapshot, "shop/plain")->policies == nullptr);  // not meshed: not in our hands
    REQUIRE(snapshot->policies.size() == 1);
    CHECK(snapshot->policies[0]->selects == row.selects);
    CHECK(text(*snapshot->policies[0]) == "ALLOW: ");
    CHECK(snapshot->errors.empty());
  }
}

TEST_CASE("source: a policy whose meaning is open denies everything to all it could select") {
  struct Row {
    std::string text;
    bool web, db, other;
    std::string error;
  };
  const std::string bad_action = "{selector: {matchLabels: {app: web}}, action: deny}";
  const Row rows[] = {
      {policy_manifest(shop, bad_action), true, false, false, "spec.action: unknown value 'deny'"},
      {policy_manifest(shop, "{action: [DENY]}"), true, true, false, "spec.action: expected a st"},
      {policy_manifest(shop, "{selector: {matchLabels: {app: web}}, Action: DENY, rules: [{}]}"),
       true, false, false, "spec.Action: unknown field"},
      {policy_manifest(shop, "[]"), true, true, false, "spec: expected a map"},
      {policy_manifest(shop, "all"), true, true, false, "spec: expected a map"},
      {policy_manifest(shop, "{selector: web}"), true, true, false, "spec.selector: expected a m"},
      {policy_manifest(shop, "{selector: {matchLabels: [app]}, action: AUDIT}"), true, true, false,
       "spec.selector.matchLabels: expected a map"},
      {policy_manifest(shop, "{selector: {matchLabels: {app: 1}}, rules: [{}]}"), true, true, false,
       "spec.selector.matchLabels.app: expected a string"},
      {policy_manifest(shop, selecting("app: '*'")), true, true, false,
       "spec.selector: 'app=*' is a label that no pod can have"},
      {policy_manifest(shop, selecting("'': web")), true, true, false, "spec.selector: '=web'"},
      {policy_manifest(shop, "{selector: {matchExpressions: []}}"), true, true, false,
       "spec.selector.matchExpressions: unknown field"},
      {policy_manifest(shop, "{selector: {matchLabels: {app: web}, more: 1}}"), true, true, false,
       "spec.selector.more: unknown field"},
      {policy_manifest(shop, selecting("app: web", ", targetRefs: [{name: x}]")), true, true, false,
       "spec: selector stands together with targetRefs"},
      {policy_manifest(shop, selecting("app: web", ", targetRef: {name: x}")), true, true, false,
       "spec: selector stands together with targetRefs"},
      {policy_manifest(shop, "{targetRefs: {name: x}}"), true, true, false,
       "spec.targetRefs: expected a list"},
      {policy_manifest(shop, "{targetRefs: [x]}"), true, true, false, "spec.targetRefs[0]: exp"},
      {policy_manifest("{name: p, namespace: 12}", "{}"), true, true, true, "metadata.namespace: "},
      {policy_manifest("{name: p, namespace: Shop}", "{rules: [{}]}"), true, true, true,
       "metadata.namespace: 'Shop' is no name"},
      {policy_manifest("{name: p, namespace: Shop}", selecting("app: db")), false, true, false,
       "metadata.namespace: "},
      {policy_manifest("", "{}"), true, true, true, "metadata is missing or no map"},
      {policy_manifest("text", "{}"), true, true, true, "metadata is missing or no map"},
      {policy_manifest("{namespace: shop}", "{}"), true, true, false, "metadata: name is missing"},
      {policy_manifest("{name: [], namespace: shop}", "{rules: [{}]}"), true, true, false,
       "metadata.name: expected a string"},
  };
  for (const Row &row : rows) {
    INFO(row.text);
    ResourcesDirectory directory;
    const SnapshotPtr snapshot = directory.of(pods + row.text);
    CHECK(set_of(snapshot, "shop/web").empty() == !row.web);
    CHECK(set_of(snapshot, "shop/db").empty() == !row.db);
    CHECK(set_of(snapshot, "other/web").empty() == !row.other);
    REQUIRE(snapshot->policies.size() == 1);
    CHECK(text(*snapshot->policies[0]) == "DENY: always");
    CHECK(snapshot->policies[0]->notes.size() == 1);
    REQUIRE(snapshot->errors.size() == 1);
    CHECK(snapshot->errors[0].text.substr(0, row.error.size()) == row.error);
    CHECK(snapshot->errors[0].text.contains("so it denies everything to all that it could select"));
  }
}

TEST_CASE("source: a set is in the order of decision, then of namespace and name") {
  ResourcesDirectory directory;
  const std::string dry = "{name: e, namespace: shop, annotations: {istio.io/dry-run: 'true'}}";
  const SnapshotPtr snapshot = directory.of(
      pods + policy_manifest(named("shop", "a"), "{action: AUDIT, rules: [{}]}") +
      policy_manifest(named("shop", "c"), "{}") + policy_manifest(named("shop", "b"), "{}") +
      policy_manifest(named("istio-system", "z"), selecting("app: web")) +
      policy_manifest(named("shop", "d"), "{action: DENY, rules: [{}]}") +
      policy_manifest(dry, "{action: DENY, rules: [{}]}") +
      policy_manifest(named("shop", "f"), "{action: CUSTOM, rules: [{}]}"));
  CHECK(set_of(snapshot, "shop/web") == "shop/f shop/d shop/e istio-system/z shop/b shop/c shop/a");
  CHECK(set_of(snapshot, "shop/db") == "shop/f shop/d shop/e shop/b shop/c shop/a");
  CHECK(std::ranges::is_sorted(snapshot->policies, {}, [](auto &policy) { return policy->key(); }));
  CHECK(snapshot->policies.size() == 7);
}

TEST_CASE("source: workloads with the same policies share one set, also the empty one") {
  ResourcesDirectory directory;
  const SnapshotPtr none = directory.of(pods);
  CHECK(pod_of(none, "shop/web")->policies == pod_of(none, "other/web")->policies);
  const SnapshotPtr mesh =
      directory.of(pods + policy_manifest(root, "{}") +
                   policy_manifest(named("istio-system", "web"), selecting("app: web")));
  CHECK(pod_of(mesh, "shop/web")->policies == pod_of(mesh, "other/web")->policies);
  CHECK(pod_of(mesh, "shop/web")->policies != pod_of(mesh, "shop/db")->policies);
}

TEST_CASE("source: unchanged policies and sets are the same objects in the next snapshot") {
  ResourcesDirectory directory;
  directory.write("pods.yaml", pods);
  directory.write("mesh.yaml", policy_manifest(root, "{}"));
  directory.write("web.yaml", policy_manifest(named("shop", "web"), selecting("app: web")));
  const SnapshotPtr first = directory.next();
  // written again, and nothing new in it: no snapshot; a pod that is new: everything else stays
  directory.write("web.yaml", policy_manifest(named("shop", "web"), selecting("app: web")));
  directory.write("more.yaml", meshed_pod("more", "10.0.0.9").text());
  const SnapshotPtr second = directory.next();
  CHECK(second->policies == first->policies);
  for (const char *pod : {"shop/web", "shop/db", "other/web"})
    CHECK(pod_of(second, pod) == pod_of(first, pod));
  CHECK(pod_of(second, "shop/more")->policies == pod_of(first, "shop/db")->policies);
  // one changed: its sets change, and no others
  directory.write("web.yaml",
                  policy_manifest(named("shop", "web"), selecting("app: web", ", rules: [{}]")));
  const SnapshotPtr third = directory.next();
  CHECK(policy_of(third, "istio-system/p") == policy_of(first, "istio-system/p"));
  CHECK(policy_of(third, "shop/web") != policy_of(first, "shop/web"));
  CHECK(pod_of(third, "shop/web")->policies != pod_of(first, "shop/web")->policies);
  CHECK(pod_of(third, "shop/db") == pod_of(first, "shop/db"));
  CHECK(pod_of(third, "other/web") == pod_of(first, "other/web"));
  // gone
  directory.remove("web.yaml");
  const SnapshotPtr fourth = directory.next();
  CHECK(pod_of(fourth, "shop/web")->policies == pod_of(first, "shop/db")->policies);
}

TEST_CASE("source: only a change of policies alone shares the addresses of the snapshot before") {
  ResourcesDirectory directory;
  const SnapshotPtr first = directory.of(pods);
  directory.write("web.yaml", policy_manifest(named("shop", "web"), selecting("app: web")));
  const SnapshotPtr second = directory.next();
  CHECK(second->shares_addresses(*first));
  CHECK(second->workload(pod_of(first, "shop/web")->ips.at(0)) == pod_of(second, "shop/web"));
  directory.write("more.yaml", meshed_pod("more", "10.0.0.9").text());
  CHECK_FALSE(directory.next()->shares_addresses(*second));
}

TEST_CASE("source: policies of one name in two places both count") {
  ResourcesDirectory directory;
  directory.write("pods.yaml", pods);
  directory.write("a.yaml", policy_manifest(shop, selecting("app: web")));
  directory.write("b.yaml", policy_manifest(shop, "{}") + policy_manifest(shop, "{rules: [{}]}"));
  const SnapshotPtr snapshot = directory.next();
  CHECK(set_of(snapshot, "shop/web") == "shop/p shop/p shop/p");
  CHECK(set_of(snapshot, "shop/db") == "shop/p shop/p");
}

TEST_CASE(
    "source: a policy in a file that is bad otherwise counts, unless its last good state does") {
  ResourcesDirectory directory;
  directory.write("pods.yaml", pods);
  const std::string good = policy_manifest(shop, "{action: DENY, rules: [{}]}"),
                    bad = "---\nkind: 1\n";
  directory.write("policy.yaml", good + bad);  // never was whole: what can be told of it counts
  const SnapshotPtr first = directory.next();
  CHECK(set_of(first, "shop/db") == "shop/p");
  directory.write("policy.yaml", good);
  const SnapshotPtr whole = directory.next();
  CHECK(policy_of(whole, "shop/p") == policy_of(first, "shop/p"));
  // a changed version waits, a new policy does not, nor does one without a name
  directory.write("policy.yaml", policy_manifest(shop, "{rules: [{}]}") +
                                     policy_manifest(named("shop", "q"), selecting("app: web")) +
                                     policy_manifest("{namespace: shop}", selecting("app: db")) +
                                     bad);
  const SnapshotPtr mixed = directory.next();
  CHECK(policy_of(mixed, "shop/p") == policy_of(whole, "shop/p"));
  CHECK(set_of(mixed, "shop/web") == "shop/p shop/q");
  CHECK(set_of(mixed, "shop/db") == "shop/? shop/p");
  directory.write("policy.yaml", "[");
  const SnapshotPtr broken = directory.next();
  CHECK(broken->policies == whole->policies);
  // the errors of what is in force stay
  const std::string never = policy_manifest(shop, "{rules: [{to: 1}]}");
  directory.write("policy.yaml", never);
  CHECK(directory.next()->errors.size() == 1);
  directory.write("policy.yaml", never + "[");
  CHECK(directory.next()->errors.size() == 2);
}

TEST_CASE("source: policies that change alone give what reading everything again gives") {
  ResourcesDirectory directory;
  const std::string slice =
      "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s, namespace: "
      "shop, labels: {kubernetes.io/service-name: s}}\naddressType: IPv4\nports: [{port: 80}]\n"
      "endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]\n";
  directory.write("pods.yaml",
                  pods + slice +
                      "---\napiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: shop}\n"
                      "spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n");
  directory.next();
  const std::string web = policy_manifest(named("shop", "web"), selecting("app: web"));
  const std::string bad = policy_manifest(named("other", "bad"), "{rules: [{to: 1}]}");
  const std::vector<std::pair<std::string, std::string>> steps = {
      {"a.yaml", web},
      {"b.yaml", bad},
      {"c.yaml", policy_manifest(root, "{}")},
      {"a.yaml", web + bad},
      {"a.yaml", bad},
      {"c.yaml", web},
      {"b.yaml", ""},
      {"c.yaml", policy_manifest("", "{}")},
      {"a.yaml", ""},
      {"c.yaml", ""}};
  for (const auto &[file, text] : steps) {
    INFO(file << ": " << text);
    directory.write(file, text);
    const SnapshotPtr step = directory.next();
    const auto again = open_directory(directory.path(), directory.mesh);
    REQUIRE((step != nullptr && again));
    const SnapshotPtr whole = (*again)->read();
    for (const char *pod : {"shop/web", "shop/db", "other/web"}) {
      CHECK(set_of(step, pod) == set_of(whole, pod));
      CHECK(step->workload(pod_of(step, pod)->ips.at(0)) == pod_of(step, pod));
    }
    for (const ServiceEndpoint &endpoint : step->services.at(0)->endpoints)
      CHECK(endpoint.workload == pod_of(step, endpoint.workload->key()));
    CHECK(step->service({*Ip::parse("10.96.0.1"), 80}) == step->services[0]);
    CHECK(step->policies.size() == whole->policies.size());
    CHECK(step->errors == whole->errors);
  }
}
