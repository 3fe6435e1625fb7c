// SPDX-License-Identifier: Apache-2.0
// Services and their EndpointSlices → ServicePorts with the endpoints that are meshed pods.
#include <algorithm>
#include <tuple>

#include "build.h"

namespace culvert {
namespace {

using PortKey = std::tuple<std::string, std::string, std::uint16_t>;
using SlicesOf = std::map<Key, std::vector<const Entry *>>;  // by namespace and service

class Endpoints {
 public:
  explicit Endpoints(const Snapshot &snapshot) : snapshot_(snapshot) {
    for (const WorkloadPtr &workload : snapshot.workloads)
      by_key_[workload->key()] = workload;
  }

  // The meshed endpoints of a Service's port, in the order of their addresses.
  std::vector<ServiceEndpoint> of(const std::vector<const Entry *> &slices,
                                  const std::string &port_name) const {
    std::map<Endpoint, Candidate> found;  // several slices may have one endpoint
    for (const Entry *slice : slices)
      add(slice->as<SliceObject>(), port_name, found);
    // As kube-proxy: while nothing is ready, what still serves while it terminates is used.
    const bool any_ready = std::ranges::any_of(found, [](auto &item) { return item.second.ready; });
    std::vector<ServiceEndpoint> endpoints;
    for (const auto &[address, candidate] : found) {
      if (!candidate.workload->meshed) continue;
      endpoints.push_back({candidate.workload, address.ip, address.port,
                           any_ready ? candidate.ready : candidate.serving});
    }
    return endpoints;
  }

 private:
  struct Candidate {
    WorkloadPtr workload;
    bool ready = false;
    bool serving = false;  // while it terminates
  };

  void add(const SliceObject &slice, const std::string &port_name,
           std::map<Endpoint, Candidate> &found) const {
    for (const ServicePortObject &port : slice.ports) {
      if (port.name != port_name) continue;
      for (const SliceEndpoint &endpoint : slice.endpoints) {
        for (const Ip &ip : endpoint.ips) {
          const WorkloadPtr workload = owner(endpoint, ip);
          if (workload == nullptr) continue;
          Candidate &candidate = found[{ip, port.port}];
          candidate.workload = workload;
          candidate.ready |= endpoint.ready;
          candidate.serving |= endpoint.serving_while_terminating;
        }
      }
    }
  }

  // The pod the slice names; its status may be behind the slice, so the address is the slice's, and
  // whoever answers there has to prove that it is this pod. Without a name: the address's.
  WorkloadPtr owner(const SliceEndpoint &endpoint, const Ip &ip) const {
    if (!endpoint.pod_name.empty()) {
      const auto found = by_key_.find(endpoint.pod_ns + "/" + endpoint.pod_name);
      const bool is_it =
          found != by_key_.end() && (endpoint.pod_uid.empty() || found->second->uid.empty() ||
                                     endpoint.pod_uid == found->second->uid);
      if (is_it) return found->second;
    }
    return snapshot_.workload(ip);
  }

  const Snapshot &snapshot_;
  std::unordered_map<std::string, WorkloadPtr> by_key_;
};

SlicesOf slices_by_service(const Joined &joined) {
  SlicesOf slices;
  for (const auto &[key, slice] : joined.slices) {
    const std::string &service = slice.as<SliceObject>().service;
    if (!service.empty()) slices[{key.first, service}].push_back(&slice);
  }
  return slices;
}

// Of the last one in the list.
void add_addresses(const Entry &service, Snapshot::ByService &by_service, Snapshot &snapshot) {
  const ServicePort &port = *snapshot.services.back();
  if (port.endpoints.empty()) return;  // not meshed
  const auto last = static_cast<std::uint32_t>(snapshot.services.size() - 1);
  for (const Ip &ip : port.ips) {
    const Endpoint address{ip, port.port};
    const auto [place, added] = by_service.try_emplace(address, last);
    if (added) continue;
    const ServicePort &owner = *snapshot.services[place->second];
    snapshot.errors.push_back(service.error("spec: " + address.text() + " is also Service " +
                                            owner.ns + "/" + owner.service +
                                            ", which has it: change one of the two"));
  }
}

}  // namespace

void build_services(const Joined &joined, const Snapshot *previous, Snapshot &snapshot) {
  std::map<PortKey, ServicePortPtr> old;
  if (previous != nullptr) {
    for (const auto &port : previous->services)
      old[{port->ns, port->service, port->port}] = port;
  }
  const SlicesOf slices = slices_by_service(joined);
  const Endpoints endpoints(snapshot);
  Snapshot::ByService by_service;
  for (const auto &[key, service] : joined.services) {
    const auto &value = service.as<ServiceObject>();
    if (value.ips.empty()) continue;
    const auto own = slices.find(key);
    for (const ServicePortObject &wanted : value.ports) {
      ServicePort port{key.first, key.second, wanted.port, value.ips, {}};
      if (own != slices.end()) port.endpoints = endpoints.of(own->second, wanted.name);
      const auto known = old.find({port.ns, port.service, port.port});
      const bool same = known != old.end() && *known->second == port;
      snapshot.services.push_back(same ? known->second
                                       : std::make_shared<const ServicePort>(std::move(port)));
      add_addresses(service, by_service, snapshot);
    }
  }
  snapshot.by_service = std::make_shared<const Snapshot::ByService>(std::move(by_service));
}

}  // namespace culvert
