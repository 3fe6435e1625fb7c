// SPDX-License-Identifier: Apache-2.0
// What is wrong in a manifest: each with file, line, object and field; what was good stays.
#include "source_directory.h"

using namespace culvert;

namespace {

struct Row {
  std::string text;
  int line;
  std::string object, error;
};

void check_errors(const std::vector<Row> &rows) {
  for (const Row &row : rows) {
    ResourcesDirectory directory;
    const SnapshotPtr snapshot = directory.of(row.text);
    INFO(row.text);
    CHECK(snapshot->workloads.empty());
    REQUIRE(snapshot->errors.size() == 1);
    const ResourceError &error = snapshot->errors[0];
    CHECK(error.file == directory.file("all.yaml"));
    CHECK(error.line == row.line);
    CHECK(error.object == row.object);
    CHECK(error.text.substr(0, row.error.size()) == row.error);
    CHECK(error.text.find('\n') == std::string::npos);
  }
}

// A Pod, each part on its own line: labels in line 3, spec in 4, status in 5.
std::string pod(const std::string &metadata, const std::string &spec, const std::string &status) {
  return "{apiVersion: v1,\nkind: Pod,\nmetadata: {name: web, namespace: shop" + metadata +
         "},\nspec: {" + spec + "},\nstatus: {" + status + "}}\n";
}

}  // namespace

TEST_CASE("source: a bad Pod is an error with its field, and not in the mesh") {
  const std::string object = "Pod shop/web";
  const std::vector<Row> rows = {
      {pod(", labels: [a]", "", ""), 3, object, "metadata.labels: expected a map, not a list"},
      {pod(", labels: {culvert.dev/mesh: true}", "", ""), 3, object,
       "metadata.labels.['culvert.dev/mesh']: expected a string, not the boolean true"},
      {pod(", labels: {culvert.dev/mesh: on-please}", "", ""), 3, object,
       "metadata.labels.['culvert.dev/mesh']: unknown value 'on-please': accepted are enabled, d"},
      {pod(", labels: {istio.io/dataplane-mode: sidecar}", "", ""), 3, object,
       "metadata.labels.['istio.io/dataplane-mode']: unknown value 'sidecar': accepted are amb"},
      {pod(", labels: {a: " + std::string(64, 'x') + "}", "", ""), 3, object,
       "metadata.labels.a: the value is longer than 63 characters"},
      {pod(", labels: {" + std::string(318, 'x') + ": a}", "", ""), 3, object,
       "metadata.labels.['"},
      {pod(", annotations: {culvert.dev/netns: web}", "", ""), 3, object,
       "metadata.annotations.['culvert.dev/netns']: 'web' is no path"},
      {pod(", annotations: {culvert.dev/netns: /run/../proc/1/ns/net}", "", ""), 3, object,
       "metadata.annotations.['culvert.dev/netns']: "},
      {pod(", annotations: {culvert.dev/netns: \"/run/a\\nb\"}", "", ""), 3, object,
       "metadata.annotations.['culvert.dev/netns']: '/run/a\\x0ab'"},
      {pod(", creationTimestamp: yesterday", "", ""), 3, object,
       "metadata.creationTimestamp: 'yesterday' is no time: accepted is 2026-"},
      {pod(", creationTimestamp: '2026-01-01T00:00:00+01:00'", "", ""), 3, object,
       "metadata.creationTimestamp: "},
      {pod(", uid: " + std::string(129, 'x'), "", ""), 3, object, "metadata.uid: longer than"},
      {pod(", ownerReferences: {}", "", ""), 3, object, "metadata.ownerReferences: expected a l"},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: []\n", 4, object,
       "spec: expected a map, not a list"},
      {pod("", "nodeName: Node_A", ""), 4, object, "spec.nodeName: 'Node_A' is no name"},
      {pod("", "nodeName: 7", ""), 4, object, "spec.nodeName: expected a string"},
      {pod("", "serviceAccountName: a/b", ""), 4, object, "spec.serviceAccountName: 'a/b' is no"},
      {pod("", "serviceAccountName: " + std::string(64, 'x'), ""), 4, object,
       "spec.serviceAccountName: "},
      {pod("", "hostNetwork: yes", ""), 4, object, "spec.hostNetwork: expected true or false"},
      {pod("", "", "podIP: 10.0.0.256"), 5, object, "status.podIP: '10.0.0.256' is no IP address"},
      {pod("", "", "podIP: 127.0.0.1"), 5, object, "status.podIP: '127.0.0.1' is not an address o"},
      {pod("", "", "podIP: 0.0.0.0"), 5, object, "status.podIP: "},
      {pod("", "", "podIP: '::'"), 5, object, "status.podIP: "},
      {pod("", "", "podIP: ff02::1"), 5, object, "status.podIP: "},
      {pod("", "", "podIP: 224.0.0.1"), 5, object, "status.podIP: "},
      {pod("", "", "podIPs: 10.0.0.1"), 5, object, "status.podIPs: expected a list"},
      {pod("", "", "podIPs: [10.0.0.1]"), 5, object, "status.podIPs[0]: ip is missing"},
      {pod("", "", "podIPs: [{ip: 10.0.0.1}, {ip: x}]"), 5, object, "status.podIPs[1].ip: 'x' is"},
  };
  check_errors(rows);
}

TEST_CASE("source: an object that cannot be told by kind and name is an error of its file") {
  check_errors({
      {"a: [\n", 2, "", "not YAML: "},
      {"just text\n", 1, "", "expected a Kubernetes object, not 'just text'"},
      {"# one\nkind: Pod\n", 2, "", "apiVersion and kind are missing or not strings"},
      {"apiVersion: 1\nkind: Pod\n", 1, "", "apiVersion and kind are missing or not strings"},
      {"apiVersion: v1\nkind: Pod\n", 1, "Pod", "metadata.name is missing"},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: Web}\n", 3, "Pod", "metadata.name: 'Web' is"},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n", 3, "Pod", "metadata.name: expected a "},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a.b}\n", 3, "Pod",
       "metadata.namespace: 'a.b' is no name: accepted are a-z, 0-9, '-', at most 63"},
      {"apiVersion: v1\nkind: Namespace\nmetadata: {name: " + std::string(64, 'x') + "}\n", 3,
       "Namespace", "metadata.name: "},
      {"apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {culvert.dev/mesh: no}}\n", 3,
       "Namespace a", "metadata.labels.['culvert.dev/mesh']: unknown value 'no'"},
      {"apiVersion: v1\nkind: List\nitems: {}\n", 3, "", "items: expected a list"},
      {"apiVersion: v1\nkind: List\nitems: [1]\n", 3, "", "items[0]: expected a Kubernetes object"},
  });
}

TEST_CASE("source: bad Services and EndpointSlices name their field") {
  const std::string service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: ";
  const std::string slice =
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
      "metadata: {name: web-1}\n";
  check_errors({
      {service + "{clusterIP: 10.96.0}\n", 4, "Service default/web", "spec.clusterIP: '10.96.0' i"},
      {service + "{clusterIPs: [10.96.0.1, ff02::1]}\n", 4, "Service default/web",
       "spec.clusterIPs[1]: 'ff02::1' is not an address"},
      {service + "{externalIPs: [127.0.0.1]}\n", 4, "Service default/web", "spec.externalIPs[0]: "},
      {service + "{ports: [{port: 0}]}\n", 4, "Service default/web",
       "spec.ports[0].port: '0' is n"},
      {service + "{ports: [{port: 65536}]}\n", 4, "Service default/web", "spec.ports[0].port: "},
      {service + "{ports: [{name: a}]}\n", 4, "Service default/web",
       "spec.ports[0]: port is missing"},
      {service + "{ports: [80]}\n", 4, "Service default/web", "spec.ports[0]: expected a map"},
      {service + "{ports: [{port: 80, protocol: tcp}]}\n", 4, "Service default/web",
       "spec.ports[0].protocol: unknown value 'tcp': accepted are TCP, UDP, SCTP"},
      {slice, 1, "EndpointSlice default/web-1", "addressType is missing or unknown"},
      {slice + "addressType: IP\n", 4, "EndpointSlice default/web-1",
       "addressType: addressType is"},
      {slice + "addressType: IPv4\nendpoints: [{addresses: [a]}]\n", 5,
       "EndpointSlice default/web-1", "endpoints[0].addresses[0]: 'a' is no IP address"},
      {slice + "addressType: IPv4\nendpoints: [{conditions: {ready: 1}}]\n", 5,
       "EndpointSlice default/web-1", "endpoints[0].conditions.ready: expected true or false"},
      {slice + "addressType: IPv4\nports: [{port: x}]\n", 5, "EndpointSlice default/web-1",
       "ports[0].port: expected an integer between 1 and 65535, not 'x'"},
  });
}

TEST_CASE("source: a file that does not parse any more keeps its last good objects") {
  ResourcesDirectory directory;
  const std::string good = meshed_pod("web", "10.0.0.1").text();
  for (const char *bad : {"a: [\n", "kind: Pod\n", "apiVersion: v1\nkind: Pod\n", "x"}) {
    INFO(bad);
    directory.write("a.yaml", good);
    const SnapshotPtr before = directory.next();
    REQUIRE(before);
    CHECK(before->errors.empty());
    REQUIRE(pod_of(before, "shop/web"));
    directory.write("a.yaml", bad);
    const SnapshotPtr after = directory.next();
    REQUIRE(after);
    CHECK(after->errors.size() == 1);
    CHECK(pod_of(after, "shop/web") == pod_of(before, "shop/web"));
    // and again: what is kept is not lost by a second bad version
    directory.write("a.yaml", std::string(bad) + "\n#\n[");
    REQUIRE(directory.next());
    directory.write("a.yaml", bad);
    const SnapshotPtr third = directory.next();
    REQUIRE(third);
    CHECK(pod_of(third, "shop/web") == pod_of(before, "shop/web"));
  }
  directory.write("a.yaml", "");  // empty is good, and says nothing
  CHECK(directory.next()->workloads.empty());
}

TEST_CASE("source: an object that is bad now keeps its last good version, the others move on") {
  ResourcesDirectory directory;
  PodManifest web = meshed_pod("web", "10.0.0.1"), db = meshed_pod("db", "10.0.0.2");
  const SnapshotPtr before = directory.of(web.text() + db.text());
  web.status = "podIP: nowhere";
  db.status = "podIP: 10.0.0.3";
  PodManifest fresh = meshed_pod("fresh", "nowhere");
  const SnapshotPtr after = directory.of(web.text() + db.text() + fresh.text());
  CHECK(after->errors.size() == 2);
  CHECK(pod_of(after, "shop/web") == pod_of(before, "shop/web"));
  CHECK(pod_of(after, "shop/db")->ips == std::vector{*Ip::parse("10.0.0.3")});
  CHECK(pod_of(after, "shop/fresh") == nullptr);
  // kept once more, then taken out of the file: gone
  CHECK(pod_of(directory.of(web.text() + "# touched\n"), "shop/web") == pod_of(before, "shop/web"));
  CHECK(directory.of(db.text())->workloads.size() == 1);
}

TEST_CASE("source: an object in two files, the later name wins and an error says so") {
  ResourcesDirectory directory;
  directory.write("b.yaml", meshed_pod("web", "10.0.0.2").text());
  directory.write("a.yaml", meshed_pod("web", "10.0.0.1").text());
  const SnapshotPtr both = directory.next();
  CHECK(pod_of(both, "shop/web")->ips[0] == *Ip::parse("10.0.0.2"));
  REQUIRE(both->errors.size() == 1);
  CHECK(both->errors[0].file == directory.file("a.yaml"));
  CHECK(both->errors[0].object == "Pod shop/web");
  CHECK(both->errors[0].text == "defined again in " + directory.file("b.yaml") +
                                    ":4, which is the one in force: remove one of the two");
  directory.remove("b.yaml");
  const SnapshotPtr one = directory.next();
  CHECK(one->errors.empty());
  CHECK(pod_of(one, "shop/web")->ips[0] == *Ip::parse("10.0.0.1"));
}

TEST_CASE("source: two pods with one address, the newer has it") {
  ResourcesDirectory directory;
  PodManifest old_pod = meshed_pod("z-old", "10.0.0.1"), new_pod = meshed_pod("a-new", "10.0.0.1");
  old_pod.metadata = "creationTimestamp: '2026-01-01T00:00:00Z'";
  new_pod.metadata = "creationTimestamp: '2026-01-01T00:00:00.5Z'";
  const Ip ip = *Ip::parse("10.0.0.1");
  SnapshotPtr snapshot = directory.of(old_pod.text() + new_pod.text());
  CHECK(snapshot->workload(ip) == pod_of(snapshot, "shop/a-new"));
  CHECK(pod_of(snapshot, "shop/z-old")->ips.empty());
  REQUIRE(snapshot->errors.size() == 1);
  CHECK(snapshot->errors[0].object == "Pod shop/z-old");
  CHECK(snapshot->errors[0].text ==
        "status.podIPs: 10.0.0.1 is also the address of Pod shop/a-new, which is newer and has it");
  // without times: the later key
  old_pod.metadata = new_pod.metadata = "";
  snapshot = directory.of(new_pod.text() + old_pod.text());
  CHECK(snapshot->workload(ip) == pod_of(snapshot, "shop/z-old"));
  CHECK(snapshot->errors.size() == 1);
  // an ended pod has no address any more
  new_pod.status += ", phase: Running";
  old_pod.status += ", phase: Succeeded";
  snapshot = directory.of(new_pod.text() + old_pod.text());
  CHECK(snapshot->workload(ip) == pod_of(snapshot, "shop/a-new"));
  CHECK(snapshot->errors.empty());
}

TEST_CASE("source: other kinds are ignored and counted") {
  ResourcesDirectory directory;
  const SnapshotPtr snapshot = directory.of(
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n---\n"
      "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n---\n"
      "apiVersion: v1\nkind: ConfigMapList\nitems: []\n");
  CHECK(snapshot->ignored_objects == 3);
  CHECK(snapshot->errors.empty());
}

TEST_CASE("source: lists, as kubectl writes them") {
  ResourcesDirectory directory;
  const SnapshotPtr snapshot = directory.of(
      "apiVersion: v1\nkind: List\nitems:\n"
      "- {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {podIP: 10.0.0.1}}\n---\n"
      "apiVersion: v1\nkind: PodList\nitems:\n- {metadata: {name: b}, status: {podIP: fd00::1}}\n");
  CHECK(snapshot->errors.empty());
  CHECK(snapshot->workload(*Ip::parse("10.0.0.1"))->key() == "default/a");
  CHECK(snapshot->workload(*Ip::parse("fd00::1"))->key() == "default/b");
}
