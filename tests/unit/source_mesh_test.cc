// SPDX-License-Identifier: Apache-2.0
// Pods → workloads: who is meshed, and what a workload says.
#include "source_directory.h"

using namespace culvert;

TEST_CASE("source: who is meshed: the pod's label, then the namespace's; culvert's, then Istio's") {
  struct Row {
    std::string ns_labels, pod_labels;
    bool meshed;
  };
  const Row rows[] = {
      {"", "", false},
      {"culvert.dev/mesh: enabled", "", true},
      {"culvert.dev/mesh: disabled", "", false},
      {"istio.io/dataplane-mode: ambient", "", true},
      {"istio.io/dataplane-mode: none", "", false},
      {"", "culvert.dev/mesh: enabled", true},
      {"", "istio.io/dataplane-mode: ambient", true},
      {"culvert.dev/mesh: enabled", "culvert.dev/mesh: disabled", false},
      {"culvert.dev/mesh: enabled", "istio.io/dataplane-mode: none", false},
      {"istio.io/dataplane-mode: ambient", "culvert.dev/mesh: disabled", false},
      {"culvert.dev/mesh: disabled", "istio.io/dataplane-mode: ambient", true},
      // both labels on one object: culvert's own counts
      {"", "culvert.dev/mesh: disabled, istio.io/dataplane-mode: ambient", false},
      {"", "istio.io/dataplane-mode: none, culvert.dev/mesh: enabled", true},
      {"culvert.dev/mesh: disabled, istio.io/dataplane-mode: ambient", "", false},
      {"other: enabled", "other: ambient", false},
  };
  for (const Row &row : rows) {
    INFO(row.ns_labels << " / " << row.pod_labels);
    ResourcesDirectory directory;
    PodManifest pod;
    pod.labels = row.pod_labels;
    const SnapshotPtr snapshot =
        directory.of(namespace_manifest("shop", row.ns_labels) + pod.text());
    CHECK(snapshot->errors.empty());
    CHECK(pod_of(snapshot, "shop/web")->meshed == row.meshed);
  }
}

TEST_CASE("source: a pod of the host's network is never meshed, and has no address of its own") {
  ResourcesDirectory directory;
  PodManifest pod = meshed_pod("agent", "192.0.2.1"), other = meshed_pod("other", "192.0.2.1");
  pod.spec = other.spec = "hostNetwork: true, nodeName: node-a";
  const SnapshotPtr snapshot = directory.of(pod.text() + other.text());
  CHECK(snapshot->errors.empty());
  CHECK(snapshot->by_ip->empty());
  const WorkloadPtr agent = pod_of(snapshot, "shop/agent");
  CHECK_FALSE(agent->meshed);
  CHECK(agent->ips.empty());
  CHECK(agent->not_meshed_because.starts_with("spec.hostNetwork: "));
}

TEST_CASE("source: ended pods are left out, terminating ones stay until they have ended") {
  for (const char *phase : {"Succeeded", "Failed"}) {
    ResourcesDirectory directory;
    PodManifest pod = meshed_pod("job", "10.0.0.1");
    pod.status += std::string(", phase: ") + phase;
    const SnapshotPtr snapshot = directory.of(pod.text());
    CHECK(snapshot->workloads.empty());
    CHECK(snapshot->by_ip->empty());
  }
  // its processes still send: it must not fall out of the mesh before they are gone
  ResourcesDirectory directory;
  PodManifest pod = meshed_pod("job", "10.0.0.1");
  pod.metadata = "deletionTimestamp: '2026-01-01T00:00:00Z'";
  pod.status += ", phase: Running";
  CHECK(pod_of(directory.of(pod.text()), "shop/job")->meshed);
}

TEST_CASE("source: what a workload says") {
  ResourcesDirectory directory;
  const SnapshotPtr snapshot = directory.of(R"(
apiVersion: v1
kind: Pod
metadata:
  name: web-5d9c-x2x
  namespace: shop
  uid: 0d3f
  labels: {culvert.dev/mesh: enabled, app: web, version: v2, pod-template-hash: 5d9c}
  annotations: {culvert.dev/netns: /run/netns/web}
  ownerReferences:
  - {kind: Node, name: other}
  - {kind: ReplicaSet, name: web-5d9c, controller: true}
spec: {nodeName: node-a, serviceAccountName: frontend, containers: [{name: a, ports: [{}]}]}
status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}
)");
  REQUIRE(snapshot->errors.empty());
  const WorkloadPtr pod = pod_of(snapshot, "shop/web-5d9c-x2x");
  REQUIRE(pod);
  CHECK(pod->uid == "0d3f");
  CHECK(pod->node == "node-a");
  CHECK(pod->service_account == "frontend");
  CHECK(pod->id.text() == "spiffe://cluster.local/ns/shop/sa/frontend");
  CHECK(pod->app == "web");
  CHECK(pod->version == "v2");
  CHECK(pod->owner == "web");
  CHECK(pod->netns == "/run/netns/web");
  CHECK(pod->ips == std::vector{*Ip::parse("10.0.0.1"), *Ip::parse("fd00::1")});
  CHECK(pod->meshed);
  CHECK(snapshot->workload(*Ip::parse("fd00::1")) == pod);
  CHECK(snapshot->number == 1);
}

TEST_CASE("source: defaults of a bare pod") {
  ResourcesDirectory directory;
  const SnapshotPtr snapshot = directory.of(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: , annotations: }\n"
      "spec:\nstatus:\n---\n"
      "apiVersion: v1\nkind: Pod\nmetadata: {name: b, labels: {app.kubernetes.io/name: n, "
      "app.kubernetes.io/version: '1'}}\n");
  REQUIRE(snapshot->errors.empty());
  const WorkloadPtr pod = pod_of(snapshot, "default/a");
  CHECK(pod->id.text() == "spiffe://cluster.local/ns/default/sa/default");
  CHECK(pod->owner == "a");
  CHECK(pod->ips.empty());
  CHECK_FALSE(pod->meshed);
  CHECK(pod_of(snapshot, "default/b")->app == "n");
  CHECK(pod_of(snapshot, "default/b")->version == "1");
}

TEST_CASE("source: the name for metrics is what a user deployed") {
  struct Row {
    std::string owner, hash, name;
  };
  const Row rows[] = {
      {"kind: ReplicaSet, name: web-abc", "abc", "web"},
      {"kind: ReplicaSet, name: web-abc", "other", "web-abc"},
      {"kind: StatefulSet, name: db-0", "0", "db-0"},
      {"kind: Job, name: backup-28391234", "", "backup"},
      {"kind: Job, name: backup-2839", "", "backup-2839"},
      {"kind: Job, name: backup-2839123x", "", "backup-2839123x"},
      {"kind: DaemonSet, name: agent", "", "agent"},
  };
  for (const Row &row : rows) {
    INFO(row.owner);
    ResourcesDirectory directory;
    PodManifest pod;
    pod.labels = row.hash.empty() ? "" : "pod-template-hash: '" + row.hash + "'";
    pod.metadata = "ownerReferences: [{controller: true, " + row.owner + "}]";
    CHECK(pod_of(directory.of(pod.text()), "shop/web")->owner == row.name);
  }
}

TEST_CASE("source: what did not change is the same object, what changed is another") {
  ResourcesDirectory directory;
  directory.write("web.yaml", meshed_pod("web", "10.0.0.1").text());
  directory.write("ns.yaml", namespace_manifest("shop", "culvert.dev/mesh: enabled"));
  PodManifest db;
  db.name = "db";
  db.status = "podIP: 10.0.0.2";
  directory.write("db.yaml", db.text());
  const SnapshotPtr first = directory.next();
  REQUIRE(pod_of(first, "shop/db")->meshed);
  directory.write("ns.yaml", namespace_manifest("shop", ""));
  const SnapshotPtr second = directory.next();
  CHECK(second->number == first->number + 1);
  CHECK(pod_of(second, "shop/web") == pod_of(first, "shop/web"));
  CHECK(pod_of(second, "shop/db") != pod_of(first, "shop/db"));
  CHECK_FALSE(pod_of(second, "shop/db")->meshed);
  // made again under the same name: another uid is another pod
  db.metadata = "uid: new";
  directory.write("db.yaml", db.text());
  const SnapshotPtr third = directory.next();
  CHECK(pod_of(third, "shop/db") != pod_of(second, "shop/db"));
}
