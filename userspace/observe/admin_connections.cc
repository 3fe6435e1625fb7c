// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "admin.h"
#include "culvert/observe.h"
#include "names.h"

namespace culvert {
namespace {

Json end_of(const WorkloadPtr &workload, const Endpoint &address, std::string_view identity) {
  return {{"namespace", workload ? Json(workload->ns) : Json(nullptr)},
          {"workload", workload ? Json(workload->name) : Json(nullptr)},
          {"address", address.text()},
          {"identity", text_or_null(identity)}};
}

Json tunnel_of(const TunnelFacts &tunnel, bool reused) {
  return {{"tlsVersion", std::string(tls_version)},
          {"cipher", std::string(name(tunnel.suite))},
          {"group", text_or_null(tunnel.group)},
          {"resumed", tunnel.resumed},
          {"reused", reused},
          {"protocol", tunnel.bare ? "bare" : "culvert/1"},
          {"engine", std::string(name(tunnel.engine))}};
}

Json connection_of(const ConnectionRecord &record, Time now) {
  Identities proven = identities(record);
  Json destination = end_of(record.destination, record.destination_address, proven.destination);
  destination["service"] = record.service ? Json(service_host(*record.service)) : Json(nullptr);
  return {{"id", record.id},
          {"direction", std::string(name(record.direction))},
          {"source", end_of(record.source, record.source_address, proven.source)},
          {"destination", destination},
          {"openedAt", rfc3339(record.opened)},
          {"ageSeconds", seconds_between(record.opened, now)},
          {"bytesToDestination", record.sent_bytes},
          {"bytesToSource", record.received_bytes},
          {"tunnel", record.tunnel ? tunnel_of(*record.tunnel, record.reused) : Json(nullptr)}};
}

}  // namespace

std::string connections_json(std::span<const ThreadReport> reports, Time now) {
  std::vector<const ConnectionRecord *> live;
  for (const ThreadReport &report : reports) {
    for (const ConnectionRecord &record : report.live)
      live.push_back(&record);
  }
  std::ranges::sort(live, {},
                    [](const ConnectionRecord *r) { return std::pair(r->opened, r->id); });
  Json list = Json::array();
  for (const ConnectionRecord *record : live)
    list.push_back(connection_of(*record, now));
  return document({{"connections", list}});
}

}  // namespace culvert
