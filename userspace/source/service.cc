// SPDX-License-Identifier: Apache-2.0
// Service → ServiceObject, EndpointSlice → SliceObject.
#include <algorithm>

#include "fields.h"

namespace culvert {
namespace {

constexpr std::size_t ips_max = 256;

Field<void> add_ip(const YamlNode &node, std::vector<Ip> &ips) {
  const Ip ip = TRY(ip_of(node));
  if (std::ranges::find(ips, ip) == ips.end()) ips.push_back(ip);
  if (ips.size() <= ips_max) return {};
  return std::unexpected(node.error("more than " + std::to_string(ips_max) + " addresses"));
}

Field<void> add_ips(const YamlNode *list, std::vector<Ip> &ips) {
  if (list == nullptr) return {};
  for (const auto &item : list->children())
    TRY(add_ip(*item, ips));
  return {};
}

// The TCP ones of a list of ports: the protocol's default is TCP, other protocols are not ours.
Field<std::vector<ServicePortObject>> read_ports(const YamlNode *owner, bool port_required) {
  std::vector<ServicePortObject> ports;
  const YamlNode *list = TRY(list_at(owner, "ports"));
  if (list == nullptr) return ports;
  for (const auto &item : list->children()) {
    if (!item->is_map()) {
      return std::unexpected(item->error("expected a map, not " + item->describe()));
    }
    const std::string protocol = TRY(string_at(item.get(), "protocol"));
    if (protocol == "UDP" || protocol == "SCTP") continue;
    if (!protocol.empty() && protocol != "TCP") {
      return std::unexpected(
          member(item.get(), "protocol")
              ->error("unknown value " + quoted(protocol) + ": accepted are TCP, UDP, SCTP"));
    }
    // A slice's port without a number stands for all ports, and no Service has such a one.
    if (!port_required && member(item.get(), "port") == nullptr) continue;
    ServicePortObject port;
    port.name = TRY(name_at(item.get(), "name", NameRule::label));
    port.port = TRY(port_at(item.get(), "port"));
    ports.push_back(std::move(port));
  }
  return ports;
}

Field<bool> is_headless(const YamlNode *spec) {
  const YamlNode *ip = member(spec, "clusterIP");
  const YamlNode *ips = TRY(list_at(spec, "clusterIPs"));
  const YamlNode *first =
      ips == nullptr || ips->children().empty() ? nullptr : ips->children()[0].get();
  return (ip != nullptr && ip->scalar() == "None") ||
         (first != nullptr && first->scalar() == "None");
}

Field<SliceEndpoint> read_endpoint(const YamlNode &node, bool addresses_are_names) {
  if (!node.is_map()) return std::unexpected(node.error("expected a map, not " + node.describe()));
  SliceEndpoint endpoint;
  const YamlNode *addresses = TRY(list_at(&node, "addresses"));
  if (!addresses_are_names) TRY(add_ips(addresses, endpoint.ips));
  const YamlNode *conditions = TRY(map_at(&node, "conditions"));
  endpoint.ready = TRY(bool_at(conditions, "ready", true));
  const bool serving = TRY(bool_at(conditions, "serving", endpoint.ready));
  const bool terminating = TRY(bool_at(conditions, "terminating", false));
  endpoint.serving_while_terminating = serving && terminating;
  const YamlNode *target = TRY(map_at(&node, "targetRef"));
  if (TRY(string_at(target, "kind")) == "Pod") {
    endpoint.pod_ns = TRY(name_at(target, "namespace", NameRule::label));
    endpoint.pod_name = TRY(name_at(target, "name", NameRule::subdomain));
    endpoint.pod_uid = TRY(string_at(target, "uid"));
  }
  return endpoint;
}

}  // namespace

Field<ServiceObject> read_service(const YamlNode &object) {
  const YamlNode *spec = TRY(map_at(&object, "spec"));
  ServiceObject service;
  const std::string type = TRY(string_at(spec, "type"));
  service.ports = TRY(read_ports(spec, true));
  if (type == "ExternalName" || TRY(is_headless(spec))) return service;
  const YamlNode *ip = member(spec, "clusterIP");
  if (ip != nullptr && !ip->scalar().empty()) TRY(add_ip(*ip, service.ips));
  for (const std::string_view key : {"clusterIPs", "externalIPs"}) {
    const YamlNode *list = TRY(list_at(spec, key));
    TRY(add_ips(list, service.ips));
  }
  return service;
}

Field<SliceObject> read_slice(const YamlNode &object, const Metadata &metadata) {
  SliceObject slice;
  const auto label = metadata.labels.find("kubernetes.io/service-name");
  if (label != metadata.labels.end()) slice.service = label->second;
  const std::string type = TRY(string_at(&object, "addressType"));
  if (type != "IPv4" && type != "IPv6" && type != "FQDN") {
    const YamlNode *node = member(&object, "addressType");
    return std::unexpected((node == nullptr ? object : *node)
                               .error("addressType is missing or unknown: accepted are IPv4, "
                                      "IPv6, FQDN"));
  }
  slice.ports = TRY(read_ports(&object, false));
  const YamlNode *endpoints = TRY(list_at(&object, "endpoints"));
  if (endpoints == nullptr) return slice;
  for (const auto &item : endpoints->children()) {
    slice.endpoints.push_back(TRY(read_endpoint(*item, type == "FQDN")));
    if (slice.endpoints.back().pod_ns.empty()) slice.endpoints.back().pod_ns = metadata.ns;
  }
  return slice;
}

}  // namespace culvert
