// SPDX-License-Identifier: Apache-2.0
// Any text as a manifest file, read twice (the second time over what it said before), and the
// Snapshot made from it.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>

#include "source/build.h"
#include "source/manifests.h"

namespace {

using namespace culvert;

// Whoever is meshed has a set, in the order of decision; notes are one line each.
void check_policies(const Snapshot &snapshot) {
  for (const WorkloadPtr &workload : snapshot.workloads) {
    ENSURE(!workload->meshed || workload->policies != nullptr);
    if (workload->policies == nullptr) continue;
    ENSURE(std::ranges::is_sorted(workload->policies->policies, {}, [](const PolicyPtr &policy) {
      return std::tie(policy->action, policy->ns, policy->name);
    }));
  }
  for (const PolicyPtr &policy : snapshot.policies) {
    for (const PolicyNote &note : policy->notes)
      ENSURE(note.text.find('\n') == std::string::npos);
    for (const PolicyRule &rule : policy->rules)
      ENSURE(!rule.never || policy->action == PolicyAction::allow);
  }
}

// Whoever is meshed has modes and knows whose they are; a port says what is not said already.
void check_modes(const Snapshot &snapshot) {
  for (const WorkloadPtr &workload : snapshot.workloads) {
    if (!workload->meshed) continue;
    const InboundModes &modes = workload->modes;
    ENSURE(!modes.because.empty() && modes.because.find('\n') == std::string::npos);
    ENSURE(std::ranges::adjacent_find(modes.ports, std::ranges::greater_equal(),
                                      &InboundModes::Port::port) == modes.ports.end());
    for (const InboundModes::Port &port : modes.ports)
      ENSURE(port.port != 0 && port.mode != modes.everywhere && modes.at(port.port) == port.mode);
    const auto &probes = workload->probe_ports;
    ENSURE(std::ranges::adjacent_find(probes, std::ranges::greater_equal()) == probes.end());
  }
}

// Built step by step or at once: the same.
void check_same(const Snapshot &a, const Snapshot &b) {
  const auto equal = [](const auto &x, const auto &y) { return *x == *y; };
  ENSURE(std::ranges::equal(a.policies, b.policies, equal));
  ENSURE(std::ranges::equal(a.workloads, b.workloads, [&](const auto &x, const auto &y) {
    if (x->modes != y->modes || x->probe_ports != y->probe_ports) return false;
    if (x->key() != y->key() || (x->policies == nullptr) != (y->policies == nullptr)) return false;
    return x->policies == nullptr ||
           std::ranges::equal(x->policies->policies, y->policies->policies, equal);
  }));
  ENSURE(a.errors == b.errors && a.ignored_objects == b.ignored_objects);
  for (const Snapshot *snapshot : {&a, &b}) {
    for (const WorkloadPtr &workload : snapshot->workloads) {
      for (const Ip &ip : workload->ips)
        ENSURE(snapshot->workload(ip) == workload);
    }
    for (const ServicePortPtr &port : snapshot->services) {
      for (const ServiceEndpoint &endpoint : port->endpoints)
        ENSURE(std::ranges::count(snapshot->workloads, endpoint.workload) == 1);
    }
    for (const auto &[address, place] : *snapshot->by_service) {
      ENSURE(snapshot->services.at(place)->port == address.port);
      ENSURE(std::ranges::count(snapshot->services.at(place)->ips, address.ip) > 0);
    }
  }
}

void check_steps(Builder &builder, const MeshSettings &mesh, Files files, std::string_view text,
                 const Snapshot &before) {
  Changes changes;
  FileContent more = read_manifests("b.yaml", text, {}, mesh);
  changes.add("b.yaml", {}, more);
  files["b.yaml"] = std::move(more);
  const auto step = builder.build(files, {}, changes);
  check_same(step == nullptr ? before : *step, *Builder(mesh).build(files, {}, {}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  const MeshSettings mesh{"cluster.local", "istio-system", {"old", "older-td"}};
  Files files;
  files["a.yaml"] = read_manifests("a.yaml", text, {}, mesh);
  Builder builder(mesh);
  const auto first = builder.build(files, {}, {});
  ENSURE(first != nullptr);
  for (const auto &[ip, place] : *first->by_ip)
    ENSURE(place < first->workloads.size() && !ip.is_loopback());
  for (const auto &[address, place] : *first->by_service) {
    ENSURE(address.port != 0);
    for (const ServiceEndpoint &endpoint : first->services.at(place)->endpoints)
      ENSURE(endpoint.workload->meshed);
  }
  check_policies(*first);
  check_modes(*first);
  for (const ResourceError &error : first->errors) {
    ENSURE(error.text.find('\n') == std::string::npos);
  }
  // The same again says the same; cut short, nothing that is there is lost by the damage.
  ENSURE(builder.build(files, {}, {}) == nullptr);
  ENSURE(builder.build(files, {}, {{}, false}) == nullptr);
  check_steps(builder, mesh, files, text, *first);
  const FileContent cut =
      read_manifests("a.yaml", text.substr(0, size / 2), files["a.yaml"].objects, mesh);
  if (!cut.whole) ENSURE(cut.objects.size() >= files["a.yaml"].objects.size());
  return 0;
}
