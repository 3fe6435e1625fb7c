// SPDX-License-Identifier: Apache-2.0
#include "steering.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace culvert {

namespace {

Steer steer_of(MtlsMode mode) {
  switch (mode) {
    case MtlsMode::strict:
      return Steer::all;
    case MtlsMode::permissive:
      return Steer::meshed;
    case MtlsMode::disable:
      return Steer::none;
  }
  return Steer::all;
}

// Policies are asked about plaintext, too, and only the daemon asks them.
bool needs_daemon(const Workload &workload) {
  return !workload.meshed || workload.policies == nullptr || !workload.policies->policies.empty();
}

void add(Capture::Destinations &destinations, const Workload &workload, const Ip &ip) {
  const InboundModes &modes = workload.modes;
  const auto is_clear = [](MtlsMode mode) { return mode == MtlsMode::disable; };
  const bool clear = is_clear(modes.everywhere);
  if (clear) destinations.in_clear.push_back({ip, 0});
  if (!clear) destinations.workloads.push_back(ip);
  for (const InboundModes::Port &port : modes.ports) {
    if (is_clear(port.mode) == clear) continue;
    (clear ? destinations.protected_ports : destinations.in_clear).push_back({ip, port.port});
  }
}

Ip address_of(const sockaddr *address) {
  if (address == nullptr) return {};
  const bool v4 = address->sa_family == AF_INET, v6 = address->sa_family == AF_INET6;
  if (!v4 && !v6) return {};
  SocketAddress copy;
  std::memcpy(copy.get(), address, v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  return copy.endpoint().ip;
}

// Each pod's own link gives the node one more, and no probe comes from it.
bool is_link_local(const Ip &ip) { return ip.bytes[0] == 0xfe && (ip.bytes[1] & 0xc0) == 0x80; }

}  // namespace

InboundSteering steering_of(const Workload &workload, const std::vector<Ip> &node_ips) {
  InboundSteering steering;
  if (workload.meshed) {
    steering.probe_ports = workload.probe_ports;
    steering.node_ips = node_ips;
  }
  if (needs_daemon(workload)) return steering;
  steering.everywhere = steer_of(workload.modes.everywhere);
  for (const InboundModes::Port &port : workload.modes.ports)
    steering.ports.push_back({port.port, steer_of(port.mode)});
  return steering;
}

bool passes_any(const InboundSteering &steering) {
  const auto passes = [](const InboundSteering::Port &port) { return port.steer != Steer::all; };
  return steering.everywhere != Steer::all || !steering.probe_ports.empty() ||
         std::ranges::any_of(steering.ports, passes);
}

bool may_pass(const Workload &workload, const InboundSteering &steering,
              const PolicyTable *policies, const PassedConnection &connection) {
  const auto &[client, application] = connection;
  const auto has = [](const auto &all, const auto &one) {
    return std::ranges::find(all, one) != all.end();
  };
  if (has(steering.probe_ports, application.port) && has(steering.node_ips, client.ip)) return true;
  if (!workload.modes.takes_plaintext(application.port)) return false;
  const Client asking{IDENTITY_NONE, client.ip, !application.ip.is_v4()};
  return judge({SpiffeId(), &workload, application.port}, asking, policies).has_value();
}

Plaintext plaintext_of(const Workload &workload) {
  const InboundModes &modes = workload.modes;
  const auto strict = [](MtlsMode mode) { return mode == MtlsMode::strict; };
  const bool all = strict(modes.everywhere) &&
                   std::ranges::all_of(modes.ports, strict, &InboundModes::Port::mode);
  return all ? Plaintext::refused : Plaintext::taken;
}

Capture::Destinations destinations_of(const Snapshot &snapshot) {
  Capture::Destinations destinations;
  for (const WorkloadPtr &workload : snapshot.workloads) {
    if (!workload->meshed) continue;
    for (const Ip &ip : workload->ips)
      add(destinations, *workload, ip);
  }
  for (const auto &[address, place] : *snapshot.by_service) {
    destinations.services.push_back(address);
  }
  return destinations;
}

std::vector<Ip> node_addresses() {
  ifaddrs *list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype([](ifaddrs *all) { ::freeifaddrs(all); })> owner(list);
  std::vector<Ip> found;
  for (const ifaddrs *entry = list; entry != nullptr; entry = entry->ifa_next) {
    const Ip ip = address_of(entry->ifa_addr);
    if (!ip.is_unspecified() && !ip.is_loopback() && !is_link_local(ip)) found.push_back(ip);
  }
  std::ranges::sort(found);
  const auto repeated = std::ranges::unique(found);
  found.erase(repeated.begin(), repeated.end());
  return found;
}

}  // namespace culvert
