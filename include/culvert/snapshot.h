// SPDX-License-Identifier: Apache-2.0
// snapshot: the desired state of the mesh at one moment. Immutable, numbered, applied whole; made
// by source, read by node and by the data threads. Holds values only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "culvert/address.h"
#include "culvert/identity.h"
#include "culvert/inbound_modes.h"
#include "culvert/policy_set.h"

namespace culvert {

struct Workload {
  std::string ns, name;  // the Pod's
  std::string uid;       // metadata.uid, or empty: another uid is another pod
  std::string node;      // spec.nodeName
  std::string service_account;
  std::string app;      // label app, else app.kubernetes.io/name
  std::string version;  // label version, else app.kubernetes.io/version
  std::string owner;    // workload name for metrics: the controller's, else the Pod's
  std::string netns;    // culvert.dev/netns, a path on its own node; empty: not given
  SpiffeId id;
  std::vector<Ip> ips;  // without those that another pod has (by_ip)
  bool meshed = false;
  // Not empty: the labels ask for the mesh, but this pod cannot be in it (spec.hostNetwork).
  std::string not_meshed_because;
  // What selects it; the shared empty set if nothing does. Not null if meshed.
  PolicySetPtr policies;
  InboundModes modes;  // of a pod that is not meshed they mean nothing
  // Declared by its probes, sorted: open in plaintext to its own node, whatever the mode. Meshed
  // only.
  std::vector<std::uint16_t> probe_ports;

  bool operator==(const Workload &) const = default;
  std::string key() const { return ns + "/" + name; }
};
// What did not change between two Snapshots is the same object in both: compare the pointers.
using WorkloadPtr = std::shared_ptr<const Workload>;

struct ServiceEndpoint {
  WorkloadPtr workload;  // meshed
  Ip ip;
  std::uint16_t port = 0;
  bool ready = false;
  bool operator==(const ServiceEndpoint &) const = default;
};

// One port of one Service. It is a meshed destination if at least one of its endpoints is a meshed
// pod; only those are ever picked.
struct ServicePort {
  std::string ns, service;
  std::uint16_t port = 0;
  std::vector<Ip> ips;  // cluster IPs and external IPs
  std::vector<ServiceEndpoint> endpoints;
  bool operator==(const ServicePort &) const = default;
};
using ServicePortPtr = std::shared_ptr<const ServicePort>;

struct ResourceError {
  std::string file;
  int line = 0;
  std::string object;  // "Pod shop/web", empty: the file
  std::string text;  // field, cause, what is accepted
  bool operator==(const ResourceError &) const = default;
};

struct Snapshot {
  std::uint64_t number = 0;
  Time made;
  std::vector<WorkloadPtr> workloads;  // every pod known, sorted by key
  std::vector<ServicePortPtr> services;
  // Places in the two lists: every pod with an address, meshed services. Snapshots that differ in
  // nothing but policies share both.
  using ByIp = std::unordered_map<Ip, std::uint32_t>;
  using ByService = std::unordered_map<Endpoint, std::uint32_t>;
  std::shared_ptr<const ByIp> by_ip = std::make_shared<const ByIp>();
  std::shared_ptr<const ByService> by_service = std::make_shared<const ByService>();
  std::vector<PolicyPtr> policies;  // all of them, sorted by namespace and name
  std::vector<ResourceError> errors;
  std::uint64_t ignored_objects = 0;

  WorkloadPtr workload(const Ip &ip) const {
    auto found = by_ip->find(ip);
    return found == by_ip->end() ? nullptr : workloads[found->second];
  }
  ServicePortPtr service(const Endpoint &address) const {
    auto found = by_service->find(address);
    return found == by_service->end() ? nullptr : services[found->second];
  }
  bool shares_addresses(const Snapshot &other) const {
    return by_ip == other.by_ip && by_service == other.by_service;
  }
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace culvert
