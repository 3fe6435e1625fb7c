// SPDX-License-Identifier: Apache-2.0
// traffic_metrics.cc: Istio's TCP metrics with Istio's labels, so that its dashboards and Kiali's
// graph work unchanged. What is not known is "unknown". Identities are those TLS proved, never
// those an address suggests.
#include <map>

#include "metrics.h"
#include "names.h"

namespace culvert {
namespace {

constexpr std::string_view unknown = "unknown";
constexpr std::string_view cluster = "Kubernetes";  // Istio's name of a mesh's only cluster

std::string_view known(std::string_view text) { return text.empty() ? unknown : text; }

void add_side(std::vector<Label> &labels, const std::string &side, const Workload *workload,
              std::string_view principal) {
  static const Workload nobody;
  const Workload &is = workload == nullptr ? nobody : *workload;
  std::string_view owner = is.owner.empty() ? is.name : is.owner;
  std::string_view service = is.app.empty() ? owner : is.app;
  std::string_view revision = is.version;
  if (workload != nullptr && revision.empty()) revision = "latest";
  labels.push_back(label(side + "_workload", known(owner)));
  labels.push_back(label(side + "_canonical_service", known(service)));
  labels.push_back(label(side + "_canonical_revision", known(revision)));
  labels.push_back(label(side + "_workload_namespace", known(is.ns)));
  labels.push_back(label(side + "_principal", known(principal)));
  labels.push_back(label(side + "_app", known(is.app)));
  labels.push_back(label(side + "_version", known(is.version)));
  labels.push_back(label(side + "_cluster", workload == nullptr ? unknown : cluster));
}

std::vector<Label> labels_of(const TrafficKey &key) {
  bool outbound = key.direction == Direction::outbound;
  const WorkloadPtr &local = outbound ? key.source : key.destination;
  bool proven = !key.peer_identity.empty();
  std::string_view own = proven && local ? std::string_view(local->id.text()) : "";
  std::vector<Label> labels;
  labels.push_back(label("reporter", outbound ? "source" : "destination"));
  add_side(labels, "source", key.source.get(), outbound ? own : key.peer_identity);
  add_side(labels, "destination", key.destination.get(), outbound ? key.peer_identity : own);
  std::string host = key.service ? service_host(*key.service) : "";
  labels.push_back(label("destination_service", known(host)));
  labels.push_back(label("destination_service_name",
                         key.service ? std::string_view(key.service->service) : unknown));
  labels.push_back(label("destination_service_namespace",
                         key.service ? std::string_view(key.service->ns) : unknown));
  labels.push_back(label("request_protocol", "tcp"));
  labels.push_back(label("response_flags", response_flags(key.refusal)));
  labels.push_back(label("connection_security_policy", proven ? "mutual_tls" : unknown));
  return labels;
}

}  // namespace

void add_traffic(Families &families, std::span<const ThreadReport> reports) {
  // By labels: two threads, two snapshots' objects of one workload, or two refusals with one flag
  // are one time series.
  std::map<std::vector<Label>, Traffic> series;
  for (const ThreadReport &report : reports) {
    for (const auto &[key, traffic] : report.traffic) {
      Traffic &sum = series[labels_of(key)];
      sum.opened += traffic.opened;
      sum.closed += traffic.closed;
      sum.sent_bytes += traffic.sent_bytes;
      sum.received_bytes += traffic.received_bytes;
    }
  }
  families.counter("istio_tcp_connections_opened_total", "TCP connections opened");
  for (const auto &[labels, traffic] : series)
    families.add(labels, traffic.opened);
  families.counter("istio_tcp_connections_closed_total", "TCP connections closed");
  for (const auto &[labels, traffic] : series)
    families.add(labels, traffic.closed);
  families.counter("istio_tcp_sent_bytes_total", "bytes that destinations sent (responses)");
  for (const auto &[labels, traffic] : series)
    families.add(labels, traffic.received_bytes);
  families.counter("istio_tcp_received_bytes_total", "bytes that sources sent (requests)");
  for (const auto &[labels, traffic] : series)
    families.add(labels, traffic.sent_bytes);
}

}  // namespace culvert
