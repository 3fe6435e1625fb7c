// SPDX-License-Identifier: Apache-2.0
// The ports of a Pod's probes.
#include "source_directory.h"

using namespace culvert;

namespace {

SnapshotPtr read(const std::string &spec, const std::string &labels = "culvert.dev/mesh: enabled") {
  PodManifest pod;
  pod.labels = labels;
  pod.spec += ", " + spec;
  return ResourcesDirectory().of(pod.text());
}

using Ports = std::vector<std::uint16_t>;

}  // namespace

TEST_CASE("source: the ports of a pod's probes, by number and by name, sorted and once") {
  struct Row {
    std::string spec;
    Ports ports;
  };
  const std::string named =
      "ports: [{containerPort: 9}, {name: web, containerPort: 8080}, {name: "
      "web, containerPort: 1}]";
  const Row rows[] = {
      {"containers: []", {}},
      {"containers: [{name: a}]", {}},
      {"containers: [{livenessProbe: {httpGet: {port: 80, path: /}}}]", {80}},
      {"containers: [{readinessProbe: {tcpSocket: {port: 81}}}]", {81}},
      {"containers: [{startupProbe: {grpc: {port: 82}}}]", {82}},
      {"containers: [{startupProbe: {exec: {command: [x]}}, livenessProbe: null}]", {}},
      {"containers: [{livenessProbe: {httpGet: {port: 90}}, readinessProbe: {httpGet: {port: 80}}, "
       "startupProbe: {tcpSocket: {port: 90}}}]",
       {80, 90}},
      {"containers: [{livenessProbe: {httpGet: {port: 90}}}, {livenessProbe: {httpGet: {port: "
       "80}}}]",
       {80, 90}},
      {"containers: [{livenessProbe: {httpGet: {port: web}}, " + named + "}]", {8080}},
      {"containers: [{livenessProbe: {tcpSocket: {port: web}}, " + named + "}]", {8080}},
      {"containers: [{livenessProbe: {tcpSocket: {port: '8081'}}, " + named + "}]", {8081}},
      // to another host than the pod
      {"containers: [{livenessProbe: {httpGet: {port: 80, host: 10.1.1.1}}}]", {}},
      {"containers: [{livenessProbe: {httpGet: {port: 80, host: ''}}}]", {80}},
      // of init containers only sidecars
      {"initContainers: [{livenessProbe: {httpGet: {port: 80}}}]", {}},
      {"initContainers: [{restartPolicy: Always, livenessProbe: {httpGet: {port: 80}}}]", {80}},
      {"initContainers: [{restartPolicy: OnFailure, livenessProbe: {httpGet: {port: 80}}}]", {}},
      // kept, but no probe
      {"containers: [{lifecycle: {preStop: {httpGet: {port: 80}}}, ports: [{containerPort: 80}]}]",
       {}},
  };
  for (const Row &row : rows) {
    INFO(row.spec);
    const SnapshotPtr snapshot = read(row.spec);
    CHECK(pod_of(snapshot, "shop/web")->probe_ports == row.ports);
    CHECK(snapshot->errors.empty());
  }
}

TEST_CASE(
    "source: a probe whose port cannot be told leaves it closed, the rest of the pod counts") {
  struct Row {
    std::string container, error;
  };
  const std::string liveness = "livenessProbe: {httpGet: {port: ";
  const std::string at = "spec.containers[0].livenessProbe.httpGet";
  const Row rows[] = {
      {liveness + "0}}", at + ".port: "},
      {liveness + "65536}}", at + ".port: "},
      {liveness + "-1}}", at + ".port: "},
      {liveness + "1.5}}", at + ".port: "},
      {liveness + "true}}", at + ".port: "},
      {liveness + "[80]}}", at + ".port: "},
      {liveness + "null}}", at + ": port is missing"},
      {liveness + "web}}", at + ".port: 'web' is neither a name in the container's ports nor a"},
      {liveness + "''}}", at + ".port: '' is neither a name"},
      {liveness + "'0'}}", at + ".port: '0' is neither"},
      {liveness + "'70000'}}", at + ".port: '70000' is neither"},
      {liveness + "'80x'}}", at + ".port: '80x' is neither"},
      {liveness + "web}}, ports: [{name: Web, containerPort: 80}]", at + ".port: 'web' is neither"},
      {liveness + "web}}, ports: [{name: web, containerPort: 70000}]",
       "spec.containers[0].ports[0].containerPort: "},
      {liveness + "web}}, ports: [{name: web}]", "spec.containers[0].ports[0]: containerPort is"},
      {liveness + "web}}, ports: 80", "spec.containers[0].ports: expected a list"},
      {"livenessProbe: {httpGet: 80}", at + ": expected a map"},
      {"livenessProbe: {httpGet: {host: 1, port: 80}}", at + ".host: expected a string"},
      {"livenessProbe: [80]", "spec.containers[0].livenessProbe: expected a map"},
  };
  for (const Row &row : rows) {
    INFO(row.container);
    // a name is not looked for in another container
    const SnapshotPtr snapshot = read("containers: [{" + row.container +
                                      "}, {readinessProbe: {grpc: {port: 9000}}, ports: "
                                      "[{name: web, containerPort: 1}]}]");
    const WorkloadPtr workload = pod_of(snapshot, "shop/web");
    REQUIRE(workload != nullptr);
    CHECK(workload->meshed);
    CHECK(workload->probe_ports == Ports{9000});
    REQUIRE(snapshot->errors.size() == 1);
    CHECK(snapshot->errors[0].object == "Pod shop/web");
    CHECK(snapshot->errors[0].line > 0);
    CHECK(snapshot->errors[0].text.substr(0, row.error.size()) == row.error);
    CHECK(
        snapshot->errors[0].text.ends_with(", so the port stays closed to this probe: correct it"));
  }
  const SnapshotPtr snapshot = read("containers: text, initContainers: {a: b}");
  CHECK(snapshot->errors.size() == 2);
  CHECK(pod_of(snapshot, "shop/web")->probe_ports.empty());
}

TEST_CASE("source: more probe ports than a pod may have stay closed, and an error says so") {
  std::string containers;
  for (int port = 1; port <= 129; ++port)
    containers += "{livenessProbe: {httpGet: {port: " + std::to_string(port) + "}}}, ";
  const SnapshotPtr snapshot = read("containers: [" + containers + "]");
  CHECK(pod_of(snapshot, "shop/web")->probe_ports.size() == 128);
  REQUIRE(snapshot->errors.size() == 1);
  CHECK(snapshot->errors[0].text.starts_with("spec: more than 128 ports are probed"));
}

TEST_CASE("source: probes of a pod that is not in the mesh are not looked at") {
  const SnapshotPtr snapshot =
      read("containers: [{livenessProbe: {httpGet: {port: 80}}, startupProbe: 1}]", "app: web");
  CHECK(pod_of(snapshot, "shop/web")->probe_ports.empty());
  CHECK(snapshot->errors.empty());
}
