// SPDX-License-Identifier: Apache-2.0
#include "explain.h"

#include <algorithm>
#include <charconv>

#include "culvert/observe.h"
#include "culvert/observe_policies.h"

namespace culvert {

namespace {

struct Refused {
  int status;
  std::string text;
};
template <class T>
using Answer = Result<T, Refused>;

std::unexpected<Refused> refuse(int status, std::string text) {
  return std::unexpected(Refused{status, std::move(text)});
}

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

// ---- what was written ----

struct Written {
  std::string host;  // "shop/web", "10.0.0.1", "fd00::1"
  std::string port{};
  bool has_port = false;
};

// "HOST", "HOST:PORT", "[V6]", "[V6]:PORT"; two colons and no bracket: an IPv6 address.
Written split(const std::string &text) {
  std::size_t host_end = text.size(), start = 0, rest = text.size();
  const std::size_t colon = text.find(':');
  if (text.starts_with('[') && text.contains(']')) {
    start = 1;
    host_end = text.find(']');
    rest = host_end + 1;
  } else if (colon != text.npos && (text.contains('/') || colon == text.rfind(':'))) {
    host_end = rest = colon;
  }
  if (rest == text.size()) return {.host = text.substr(start, host_end - start)};
  if (text[rest] != ':') return {.host = text};  // "[V6]80", which is neither
  return {.host = text.substr(start, host_end - start),
          .port = text.substr(rest + 1),
          .has_port = true};
}

Answer<std::uint16_t> read_port(const Written &written, const std::string &text) {
  if (!written.has_port) return std::uint16_t{0};
  std::uint16_t port = 0;
  const char *end = written.port.data() + written.port.size();
  const auto [stopped, error] = std::from_chars(written.port.data(), end, port);
  if (error == std::errc() && stopped == end && port != 0) return port;
  return refuse(400, "destination " + quoted(text) + ": " + quoted(written.port) +
                         " is no port: give a number from 1 to 65535, or none");
}

// ---- who is meant ----

struct Party {
  WorkloadPtr workload;  // null: no pod has the address
  std::optional<Ip> ip;  // as written; none: any of the workload's
};

Answer<Party> find(const std::string &role, const std::string &host, const Snapshot &snapshot) {
  if (const auto ip = Ip::parse(host)) return Party{snapshot.workload(*ip), ip};
  const std::size_t slash = host.find('/');
  const bool is_name = slash != host.npos && slash != 0 && slash + 1 != host.size() &&
                       host.find('/', slash + 1) == host.npos;
  if (!is_name) {
    return refuse(400, role + " " + quoted(host) +
                           " is neither NAMESPACE/POD nor an IP address: give one of them");
  }
  const auto found = std::ranges::find_if(
      snapshot.workloads, [&](const WorkloadPtr &workload) { return workload->key() == host; });
  if (found != snapshot.workloads.end()) return Party{*found, std::nullopt};
  return refuse(404, role + ": Pod " + host +
                         " is not known: no resource defines it; `culvert workloads` lists the "
                         "pods that are");
}

std::string pods_behind(const ServicePort &service, std::uint16_t port) {
  std::string out;
  for (const ServiceEndpoint &endpoint : service.endpoints) {
    if (!out.empty()) continue;
    out = endpoint.workload->key() + ":" + std::to_string(endpoint.port);
  }
  return out.empty() ? "NAMESPACE/POD:" + std::to_string(port) : out;
}

// An address that is no pod's. One of a Service is told from others: people know that one best.
std::unexpected<Refused> no_pod(const Ip &ip, std::uint16_t port, const Snapshot &snapshot) {
  for (const auto &[address, place] : *snapshot.by_service) {
    if (address.ip != ip || (port != 0 && address.port != port)) continue;
    const ServicePortPtr &service = snapshot.services[place];
    return refuse(404, "destination: " + ip.text() + " is the address of Service " + service->ns +
                           "/" + service->service +
                           ", and its pods decide, each for itself: ask about one of them, such "
                           "as " +
                           pods_behind(*service, service->port));
  }
  return refuse(
      404, "destination: " + ip.text() + " is no pod's address; `culvert workloads` lists them");
}

using Ips = std::vector<Ip>;

Answer<Ips> addresses(const std::string &role, const Party &party) {
  if (party.ip) return Ips{*party.ip};
  if (!party.workload->ips.empty()) return party.workload->ips;
  return refuse(404, role + ": Pod " + party.workload->key() +
                         " has no address of its own yet: it needs one in status.podIPs that no "
                         "other pod has");
}

struct Route {
  Ip from, to;
};

// The first of the destination's addresses that the source has the family of.
Answer<Route> choose_route(const Ips &from, const Ips &to) {
  for (const Ip &theirs : to) {
    const auto own = std::ranges::find(from, theirs.is_v4(), &Ip::is_v4);
    if (own != from.end()) return Route{*own, theirs};
  }
  return refuse(400, "source " + from.front().text() + " and destination " + to.front().text() +
                         " have no address family in common: ask with addresses of one family");
}

// ---- the question ----

std::string_view mode_of(const Workload &destination, std::uint16_t port) {
  return destination.meshed ? name(destination.modes.at(port)) : "";
}

Answer<ExplainInput> read(const Query &query, const Snapshot &snapshot) {
  const auto from = query.find("source"), to = query.find("destination");
  if (from == query.end() || to == query.end()) {
    return refuse(400,
                  "the question lacks source or destination: ask "
                  "/explain?source=NAMESPACE/POD&destination=NAMESPACE/POD:PORT");
  }
  const Written source_text = split(from->second), destination_text = split(to->second);
  if (source_text.has_port) {
    return refuse(400, "source " + quoted(from->second) +
                           " has a port, which no policy asks about: leave it out");
  }
  const std::uint16_t port = TRY(read_port(destination_text, to->second));
  const Party source = TRY(find("source", source_text.host, snapshot));
  const Party destination = TRY(find("destination", destination_text.host, snapshot));
  if (destination.workload == nullptr) return no_pod(*destination.ip, port, snapshot);
  const Ips source_ips = TRY(addresses("source", source));
  const Ips destination_ips = TRY(addresses("destination", destination));
  const Route route = TRY(choose_route(source_ips, destination_ips));
  ExplainInput input{.source = source.workload,
                     .source_address = route.from,
                     .destination = destination.workload,
                     .destination_address = {route.to, port},
                     .mode = mode_of(*destination.workload, port)};
  const bool in_mesh = source.workload != nullptr && source.workload->meshed;
  const bool mtls = !input.mode.empty() && input.mode != "DISABLE";
  if (in_mesh && mtls) input.peer = &source.workload->id;
  return input;
}

void ask_maps(ExplainInput &input, const ExplainNode &node) {
  const Workload &destination = *input.destination;
  if (!destination.meshed) {
    input.live_reason = "not meshed: there are no policies of it in any map";
  } else if (destination.node != node.name) {
    const std::string where = destination.node.empty() ? "no node" : destination.node;
    input.live_reason = "not on this node: " + destination.key() + " is on " + where +
                        ", and only that one has its policies in its maps: ask there";
  } else {
    static const SpiffeId nobody;
    if (node.live) {
      input.live = node.live(destination, input.peer == nullptr ? nobody : *input.peer,
                             input.source_address, input.destination_address);
    }
    input.live_reason = "not on this node: the policies of " + destination.key() +
                        " are not in its maps; `culvert workloads` says whether it is captured";
  }
}

}  // namespace

Response explain_document(const Query &query, const Snapshot *snapshot, const ExplainNode &node) {
  if (snapshot == nullptr) {
    return {.status = 503, .body = error_json("no desired state has been read yet: ask again")};
  }
  auto input = read(query, *snapshot);
  if (!input) return {.status = input.error().status, .body = error_json(input.error().text)};
  ask_maps(*input, node);
  return {.body = explain_json(*input)};
}

}  // namespace culvert
