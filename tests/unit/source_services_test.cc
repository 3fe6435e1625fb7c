// SPDX-License-Identifier: Apache-2.0
// Services and EndpointSlices → meshed destinations.
#include "source_directory.h"

using namespace culvert;

namespace {

const std::string pods =
    meshed_pod("web-1", "10.0.0.1").text() + meshed_pod("web-2", "10.0.0.2").text() +
    "---\napiVersion: v1\nkind: Pod\nmetadata: {name: plain, namespace: shop}\n"
    "status: {podIP: 10.0.0.9}\n";

std::string service(const std::string &spec) {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {" +
         spec + "}\n";
}

std::string slice(const std::string &name, const std::string &ports, const std::string &endpoints,
                  const std::string &type = "IPv4") {
  return "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name +
         ", namespace: shop, labels: {kubernetes.io/service-name: web}}\naddressType: " + type +
         "\nports: [" + ports + "]\nendpoints: [" + endpoints + "]\n";
}

std::string endpoint(const std::string &ip, const std::string &conditions = "",
                     const std::string &pod = "") {
  return "{addresses: ['" + ip + "'], conditions: {" + conditions + "}" +
         (pod.empty() ? "" : ", targetRef: {kind: Pod, name: " + pod + "}") + "}";
}

// "10.0.0.1:8080 10.0.0.2:8080-" with a dash behind what is not ready; "none" if not meshed.
std::string endpoints_at(const SnapshotPtr &snapshot, const std::string &ip, std::uint16_t port) {
  const ServicePortPtr found = snapshot->service({*Ip::parse(ip), port});
  if (found == nullptr) return "none";
  std::string text;
  for (const ServiceEndpoint &each : found->endpoints) {
    if (!text.empty()) text += ' ';
    text += Endpoint{each.ip, each.port}.text() + (each.ready ? "" : "-");
  }
  return text;
}

}  // namespace

TEST_CASE("source: a Service's address leads to its meshed endpoints only") {
  struct Row {
    std::string text, endpoints;  // at 10.96.0.1:80
  };
  const std::string plain = service("clusterIP: 10.96.0.1, ports: [{port: 80}]");
  const std::string named = service("clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]");
  const std::string to = "{port: 8080}", one = endpoint("10.0.0.1"), two = endpoint("10.0.0.2");
  const Row rows[] = {
      {plain, "none"},
      {plain + slice("s", to, ""), "none"},
      {plain + slice("s", to, endpoint("10.0.0.9")), "none"},    // not meshed
      {plain + slice("s", to, endpoint("10.0.0.77")), "none"},   // nobody's
      {plain + slice("s", to, one + ", " + endpoint("10.0.0.9")), "10.0.0.1:8080"},
      {plain + slice("s", to, one + ", " + two), "10.0.0.1:8080 10.0.0.2:8080"},
      {plain + slice("s", to, one) + slice("t", to, one + "," + two),
       "10.0.0.1:8080 10.0.0.2:8080"},
      // ports are joined by their names, the slice's number counts
      {named + slice("s", to, one), "none"},
      {named + slice("s", "{name: other, port: 1}, {name: http, port: 8081}", one),
       "10.0.0.1:8081"},
      {plain + slice("s", "{name: '', port: 8082}", one), "10.0.0.1:8082"},
      {plain + slice("s", "{port: 53, protocol: UDP}", one), "none"},
      {plain + slice("s", "{}", one), "none"},
      // by targetRef, whatever the pod's status says yet; then by address
      {plain + slice("s", to, endpoint("10.0.0.50", "", "web-1")), "10.0.0.50:8080"},
      {plain + slice("s", to, endpoint("10.0.0.2", "", "gone")), "10.0.0.2:8080"},
      {plain + slice("s", to, endpoint("10.0.0.2", "", "plain")), "none"},
      // conditions
      {plain + slice("s", to, endpoint("10.0.0.1", "ready: ") + ", " + two),
       "10.0.0.1:8080 10.0.0.2:8080"},
      {plain + slice("s", to, endpoint("10.0.0.1", "ready: false") + ", " + two),
       "10.0.0.1:8080- 10.0.0.2:8080"},
      {plain + slice("s", to, endpoint("10.0.0.1", "ready: false")), "10.0.0.1:8080-"},
      {plain +
           slice("s", to, endpoint("10.0.0.1", "ready: false, serving: true, terminating: true")),
       "10.0.0.1:8080"},
      {plain + slice("s", to,
                     endpoint("10.0.0.1", "ready: false, serving: true, terminating: true") + "," +
                         two),
       "10.0.0.1:8080- 10.0.0.2:8080"},
      {plain +
           slice("s", to, endpoint("10.0.0.1", "ready: false, serving: false, terminating: true")),
       "10.0.0.1:8080-"},
      // none of these has an address of its own
      {service("clusterIP: None, ports: [{port: 80}]") + slice("s", to, one), "none"},
      {service("clusterIPs: [None], ports: [{port: 80}]") + slice("s", to, one), "none"},
      {service("type: ExternalName, externalName: a.b, ports: [{port: 80}]"), "none"},
      {service("clusterIP: '', ports: [{port: 80}]") + slice("s", to, one), "none"},
      {service("clusterIP: 10.96.0.1, ports: [{port: 80, protocol: UDP}]") + slice("s", to, one),
       "none"},
      {plain + slice("s", to, "{addresses: [a.example]}", "FQDN"), "none"},
  };
  for (const Row &row : rows) {
    INFO(row.text);
    ResourcesDirectory directory;
    const SnapshotPtr snapshot = directory.of(pods + row.text);
    CHECK(snapshot->errors.empty());
    CHECK(endpoints_at(snapshot, "10.96.0.1", 80) == row.endpoints);
  }
}

TEST_CASE("source: an endpoint of an earlier pod of the same name is known by its address") {
  ResourcesDirectory directory;
  PodManifest pod = meshed_pod("web-1", "10.0.0.1");
  pod.metadata = "uid: new";
  const std::string old_target =
      "{addresses: [10.0.0.1], targetRef: {kind: Pod, name: web-1, uid: old}}, "
      "{addresses: [10.0.0.5], targetRef: {kind: Pod, name: web-1, uid: old}}, "
      "{addresses: [10.0.0.6], targetRef: {kind: Pod, name: web-1, uid: new}}";
  const SnapshotPtr snapshot =
      directory.of(pod.text() + service("clusterIP: 10.96.0.1, ports: [{port: 80}]") +
                   slice("s", "{port: 1}", old_target));
  CHECK(endpoints_at(snapshot, "10.96.0.1", 80) == "10.0.0.1:1 10.0.0.6:1");
}

TEST_CASE("source: every address of a Service: both families and external ones") {
  ResourcesDirectory directory;
  PodManifest dual = meshed_pod("web-1", "10.0.0.1");
  dual.status = "podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]";
  const SnapshotPtr snapshot = directory.of(
      dual.text() +
      service("clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd96::1'], externalIPs: "
              "[198.51.100.1], ports: [{name: a, port: 80}, {name: b, port: 81}]") +
      slice("v4", "{name: a, port: 8080}, {name: b, port: 8081}", endpoint("10.0.0.1")) +
      slice("v6", "{name: a, port: 8080}", endpoint("fd00::1"), "IPv6"));
  CHECK(snapshot->errors.empty());
  CHECK(snapshot->services.size() == 2);
  for (const char *ip : {"10.96.0.1", "fd96::1", "198.51.100.1"}) {
    CHECK(endpoints_at(snapshot, ip, 80) == "10.0.0.1:8080 [fd00::1]:8080");
    CHECK(endpoints_at(snapshot, ip, 81) == "10.0.0.1:8081");
  }
}

TEST_CASE("source: two Services with one address and port: an error names both") {
  ResourcesDirectory directory;
  const std::string ports = "clusterIP: 10.96.0.1, ports: [{port: 80}]";
  std::string second = service(ports) + slice("t", "{port: 2}", endpoint("10.0.0.2"));
  for (std::size_t at; (at = second.find("web,")) != std::string::npos;) {
    second.replace(at, 4, "xyz,");
  }
  second.replace(second.find("service-name: web"), 17, "service-name: xyz");
  const SnapshotPtr snapshot =
      directory.of(pods + service(ports) + slice("s", "{port: 1}", endpoint("10.0.0.1")) + second);
  CHECK(endpoints_at(snapshot, "10.96.0.1", 80) == "10.0.0.1:1");
  REQUIRE(snapshot->errors.size() == 1);
  CHECK(snapshot->errors[0].object == "Service shop/xyz");
  CHECK(snapshot->errors[0].text ==
        "spec: 10.96.0.1:80 is also Service shop/web, which has it: change one of the two");
}

TEST_CASE("source: a Service that did not change is the same object") {
  ResourcesDirectory directory;
  directory.write("pods.yaml", pods);
  directory.write("service.yaml", service("clusterIP: 10.96.0.1, ports: [{port: 80}]"));
  directory.write("slice.yaml", slice("s", "{port: 1}", endpoint("10.0.0.1")));
  const SnapshotPtr first = directory.next();
  directory.write("more.yaml", meshed_pod("more", "10.0.0.3").text());
  const SnapshotPtr second = directory.next();
  const Endpoint address{*Ip::parse("10.96.0.1"), 80};
  CHECK(second->service(address) == first->service(address));
  directory.write("slice.yaml", slice("s", "{port: 1}", endpoint("10.0.0.1", "ready: false")));
  const SnapshotPtr third = directory.next();
  CHECK(third->service(address) != first->service(address));
  directory.remove("slice.yaml");
  CHECK(directory.next()->service(address) == nullptr);
}
