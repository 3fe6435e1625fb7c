// SPDX-License-Identifier: Apache-2.0
// The ports of a Pod's probes, which the kubelet reaches in plaintext.
#include <algorithm>
#include <charconv>
#include <optional>

#include "fields.h"

namespace culvert {
namespace {

constexpr std::size_t ports_max = 128;  // of a pod: no more than a few containers have probes

// As the kubelet does: a name among the container's ports, else a number written as a string.
Field<std::uint16_t> resolve(const YamlNode &container, const YamlNode &port) {
  const auto name = port.as_string();
  if (!name) return static_cast<std::uint16_t>(TRY(port.as_integer(1, 65535)));
  if (const YamlNode *ports = TRY(list_at(&container, "ports"))) {
    for (const auto &declared : ports->children()) {
      if (!name->empty() && string_at(declared.get(), "name").value_or("") == *name) {
        return port_at(declared.get(), "containerPort");
      }
    }
  }
  std::uint16_t number = 0;
  const char *end = name->data() + name->size();
  const auto [rest, error] = std::from_chars(name->data(), end, number);
  if (error == std::errc() && rest == end && number != 0) return number;
  return std::unexpected(port.error(quoted(*name) +
                                    " is neither a name in the container's ports nor a number "
                                    "between 1 and 65535"));
}

// Nothing: it needs no port of the pod.
Field<std::optional<std::uint16_t>> port_of_probe(const YamlNode &container,
                                                  std::string_view probe_name) {
  const YamlNode *probe = TRY(map_at(&container, probe_name));
  for (const char *way : {"httpGet", "tcpSocket", "grpc"}) {
    const YamlNode *action = TRY(map_at(probe, way));
    if (action == nullptr) continue;
    // It goes to that host and not to the pod.
    if (!TRY(string_at(action, "host")).empty()) return std::optional<std::uint16_t>();
    const YamlNode *port = member(action, "port");
    if (port == nullptr) return std::unexpected(action->error("port is missing"));
    return std::optional(TRY(resolve(container, *port)));
  }
  return std::optional<std::uint16_t>();
}

void fail(const YamlError &error, PodObject &pod) {
  pod.probe_errors.push_back({error.line, error.path,
                              error.text + ", so the port stays closed to this probe: correct it"});
}

void read_container(const YamlNode &container, PodObject &pod) {
  for (const char *probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    const auto port = port_of_probe(container, probe);
    if (!port) {
      fail(port.error(), pod);
    } else if (*port) {
      pod.probe_ports.push_back(**port);
    }
  }
}

// Of init containers only sidecars, which go on running, have probes.
bool has_probes(const YamlNode &container, std::string_view list) {
  return list == "containers" || string_at(&container, "restartPolicy").value_or("") == "Always";
}

}  // namespace

void read_probes(const YamlNode *spec, PodObject &pod) {
  for (const char *list : {"containers", "initContainers"}) {
    const auto containers = list_at(spec, list);
    if (!containers) fail(containers.error(), pod);
    if (!containers || *containers == nullptr) continue;
    for (const auto &container : (*containers)->children()) {
      if (has_probes(*container, list)) read_container(*container, pod);
    }
  }
  std::vector<std::uint16_t> &ports = pod.probe_ports;
  std::ranges::sort(ports);
  ports.erase(std::ranges::unique(ports).begin(), ports.end());
  if (ports.size() <= ports_max) return;
  ports.resize(ports_max);
  fail(spec->error("more than " + std::to_string(ports_max) + " ports are probed"), pod);
}

}  // namespace culvert
