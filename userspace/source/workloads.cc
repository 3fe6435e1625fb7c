// SPDX-License-Identifier: Apache-2.0
// Pods → Workloads: whose address is whose, who is meshed, which policies select whom, which modes
// and probes say what may come in as plaintext.
#include <algorithm>

#include "build.h"
#include "culvert/yaml.h"
#include "mode_index.h"
#include "policy_index.h"

namespace culvert {
namespace {

// The pod that has each address. Of two pods with one address the newer has it.
class Addresses {
 public:
  Addresses(const Joined &joined, std::vector<ResourceError> &errors) : errors_(errors) {
    for (const auto &[key, pod] : joined.pods) {
      const auto &value = pod.as<PodObject>();
      if (value.ended || value.host_network) continue;
      for (const Ip &ip : value.ips)
        claim(ip, pod);
    }
  }
  // What `pod` has, in the order it says.
  std::vector<Ip> of(const Entry &pod) const {
    std::vector<Ip> ips;
    for (const Ip &ip : pod.as<PodObject>().ips) {
      const auto found = owners_.find(ip);
      if (found != owners_.end() && found->second == &pod) ips.push_back(ip);
    }
    return ips;
  }

 private:
  void claim(const Ip &ip, const Entry &pod) {
    const auto [place, added] = owners_.try_emplace(ip, &pod);
    if (added) return;
    // Pods come in the order of their keys: with equal times the later key has it.
    const bool newer = pod.metadata().created >= place->second->metadata().created;
    const Entry &winner = newer ? pod : *place->second;
    const Entry &loser = newer ? *place->second : pod;
    place->second = &winner;
    errors_.push_back(loser.error("status.podIPs: " + ip.text() + " is also the address of " +
                                  winner.metadata().where() + ", which is newer and has it"));
  }

  std::unordered_map<Ip, const Entry *> owners_;
  std::vector<ResourceError> &errors_;
};

MeshChoice namespace_choice(const Joined &joined, const std::string &ns) {
  const auto found = joined.namespaces.find({"", ns});
  return found == joined.namespaces.end() ? MeshChoice() : found->second.as<NamespaceObject>().mesh;
}

void add_probe_errors(const Entry &pod, std::vector<ResourceError> &errors) {
  for (const PolicyNote &error : pod.as<PodObject>().probe_errors) {
    errors.push_back(
        {*pod.file, error.line, pod.metadata().where(), error.path + ": " + error.text});
  }
}

}  // namespace

void build_workloads(const Joined &joined, const MeshSettings &mesh, PolicyIndex &policies,
                     const Snapshot *previous, Snapshot &snapshot) {
  const ModeIndex modes(joined, mesh, snapshot.errors);
  const Addresses addresses(joined, snapshot.errors);
  Snapshot::ByIp by_ip;
  std::unordered_map<std::string, WorkloadPtr> old;
  if (previous != nullptr) {
    for (const WorkloadPtr &workload : previous->workloads)
      old[workload->key()] = workload;
  }
  for (const auto &[key, pod] : joined.pods) {
    const auto &value = pod.as<PodObject>();
    if (value.ended) continue;
    const auto id = SpiffeId::workload(mesh.trust_domain, key.first, value.service_account);
    if (!id) {
      snapshot.errors.push_back(pod.error(
          "spec.serviceAccountName: " + quoted(value.service_account) + " makes no SPIFFE ID"));
      continue;
    }
    Workload workload;
    workload.ns = key.first;
    workload.name = key.second;
    workload.uid = pod.metadata().uid;
    workload.node = value.node;
    workload.service_account = value.service_account;
    workload.app = value.app;
    workload.version = value.version;
    workload.owner = value.owner;
    workload.netns = value.netns;
    workload.id = *id;
    workload.ips = addresses.of(pod);
    const MeshChoice of_namespace = namespace_choice(joined, key.first);
    const bool wanted = value.mesh.value_or(of_namespace.value_or(false));
    workload.meshed = wanted && !value.host_network;
    if (wanted && value.host_network) {
      workload.not_meshed_because = "spec.hostNetwork: it shares the node's network namespace";
    }
    if (workload.meshed) {
      workload.policies = policies.of(pod.metadata());
      workload.modes = modes.of(pod.metadata());
      workload.probe_ports = value.probe_ports;
      add_probe_errors(pod, snapshot.errors);
    }
    const auto known = old.find(workload.key());
    const bool same = known != old.end() && *known->second == workload;
    const auto place = static_cast<std::uint32_t>(snapshot.workloads.size());
    snapshot.workloads.push_back(same ? known->second
                                      : std::make_shared<const Workload>(std::move(workload)));
    for (const Ip &ip : snapshot.workloads.back()->ips)
      by_ip[ip] = place;
  }
  snapshot.by_ip = std::make_shared<const Snapshot::ByIp>(std::move(by_ip));
}

}  // namespace culvert
