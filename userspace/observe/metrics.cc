// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include <prometheus/text_serializer.h>

#include <array>
#include <cmath>
#include <limits>
#include <sstream>

#include "names.h"

namespace culvert {
namespace {

using Series = std::vector<Label>;
constexpr std::array<Direction, 2> directions = {Direction::inbound, Direction::outbound};

double seconds(Time time) { return std::chrono::duration<double>(time.time_since_epoch()).count(); }

std::size_t index(Direction direction) { return static_cast<std::size_t>(direction); }

template <class Get>
std::uint64_t sum(const MetricsInput &input, Get get) {
  std::uint64_t total = 0;
  for (const Counters *counters : input.counters)
    total += get(*counters).get();
  return total;
}

std::uint64_t sum(const MetricsInput &input, Counter Counters::*counter) {
  return sum(input, [counter](const Counters &c) -> const Counter & { return c.*counter; });
}

void add_refusals(Families &families, const MetricsInput &input) {
  families.counter("culvert_refusals_total", "connections turned away or cut off, by reason");
  for (Direction direction : directions) {
    for (std::size_t reason = 1; reason < Counters::refusal_count; ++reason) {
      auto count = sum(input, [&](const Counters &c) -> const Counter & {
        return c.refusals[index(direction)][reason];
      });
      families.add({label("direction", name(direction)),
                    label("reason", name(static_cast<Refusal>(reason)))},
                   count);
    }
  }
}

void add_handshakes(Families &families, const MetricsInput &input) {
  using Handshakes = Counters::Handshakes;
  struct Row {
    std::string_view result, resumed;
    Counter Handshakes::*counter;
  };
  constexpr std::array<Row, 3> rows = {{{"success", "false", &Handshakes::full},
                                        {"success", "true", &Handshakes::resumed},
                                        {"failure", "false", &Handshakes::failed}}};
  families.counter("culvert_handshakes_total", "TLS handshakes that ended");
  for (Direction direction : directions) {
    for (const Row &row : rows) {
      auto count = sum(input, [&](const Counters &c) -> const Counter & {
        return c.handshakes[index(direction)].*row.counter;
      });
      std::string_view side = direction == Direction::inbound ? "server" : "client";
      families.add(
          {label("side", side), label("result", row.result), label("resumed", row.resumed)}, count);
    }
  }
  families.histogram("culvert_handshake_seconds", "time from the first byte to the last");
  constexpr std::size_t bounds = Counters::handshake_bounds_us.size();
  std::array<double, bounds> bounds_s{};
  std::array<std::uint64_t, bounds + 1> counts{};
  for (std::size_t i = 0; i <= bounds; ++i) {
    if (i < bounds) bounds_s[i] = Counters::handshake_bounds_us[i] / 1e6;
    counts[i] =
        sum(input, [i](const Counters &c) -> const Counter & { return c.handshake_buckets[i]; });
  }
  families.add_histogram(bounds_s, counts,
                         static_cast<double>(sum(input, &Counters::handshake_sum_us)) / 1e6);
  families.gauge("culvert_handshakes_in_progress", "TLS handshakes that have not ended");
  families.add(Series{}, sum(input, &Counters::handshakes_in_progress));
}

void add_tunnels(Families &families, const MetricsInput &input) {
  families.gauge("culvert_connections", "application connections that are open");
  for (Direction direction : directions) {
    auto count = sum(input, [&](const Counters &c) -> const Counter & {
      return c.connections[index(direction)];
    });
    families.add({label("direction", name(direction))}, count);
  }
  families.gauge("culvert_tunnels_idle",
                 "tunnels of this node's clients that wait to be used again");
  families.add(Series{}, sum(input, &Counters::tunnels_idle));
  families.counter("culvert_tunnels_opened_total", "tunnels opened for this node's clients");
  families.add(Series{}, sum(input, &Counters::tunnels_opened));
  families.counter("culvert_tunnels_reused_total", "connections that took an idle tunnel");
  families.add(Series{}, sum(input, &Counters::tunnels_reused));
  families.counter("culvert_key_updates_total", "TLS KeyUpdate messages");
  families.add({label("direction", "sent")}, sum(input, &Counters::key_updates_sent));
  families.add({label("direction", "received")}, sum(input, &Counters::key_updates_received));
  families.counter("culvert_spliced_bytes_total", "application bytes moved by splice(2)");
  families.add({label("direction", "sent")}, sum(input, &Counters::spliced_sent_bytes));
  families.add({label("direction", "received")}, sum(input, &Counters::spliced_received_bytes));
  families.counter("culvert_log_events_dropped_total",
                   "access log lines lost because the control thread was behind");
  families.add(Series{}, sum(input, &Counters::events_dropped));
  families.gauge("culvert_records_engine_info", "what protects records: kernel or userspace");
  families.add({label("engine", name(input.engine))}, 1.0);
}

void add_capture(Families &families, const MetricsInput &input) {
  families.counter("culvert_capture_events_total", "what the BPF programs did");
  for (const auto &[event, count] : input.capture_events)
    families.add({label("event", event)}, count);
  families.gauge("culvert_map_entries", "entries in a BPF map");
  for (const MapUse &map : input.maps)
    families.add({label("map", map.name)}, map.entries);
  families.gauge("culvert_map_capacity", "entries a BPF map can hold");
  for (const MapUse &map : input.maps)
    families.add({label("map", map.name)}, map.capacity);
}

void add_state(Families &families, const MetricsInput &input) {
  families.gauge("culvert_build_info", "which culvertd this is");
  families.add({label("version", input.version), label("node", input.node)}, 1.0);
  families.gauge("culvert_svid_expiry_timestamp_seconds", "when an SVID ends, Unix time");
  for (const CertificateStore::Entry &entry : input.certificates) {
    if (entry.svid == nullptr) continue;
    families.add({label("identity", entry.id.text())}, seconds(entry.svid->not_after()));
  }
  families.gauge("culvert_snapshot", "number of the desired state in force");
  families.add(Series{}, input.snapshot);
  families.gauge("culvert_snapshot_age_seconds", "since the desired state last changed");
  families.add(Series{}, input.snapshot == 0 ? std::numeric_limits<double>::quiet_NaN()
                                             : seconds(input.now) - seconds(input.snapshot_made));
  families.gauge("culvert_resource_errors", "objects or files that could not be read or honoured");
  families.add(Series{}, input.resource_errors);
  families.gauge("culvert_resources_ignored", "objects of kinds that mean nothing to culvert");
  families.add(Series{}, input.ignored_objects);
  families.gauge("culvert_pods", "meshed pods of this node, by state");
  std::array<std::uint64_t, 3> pods{};
  for (const PodStatus &pod : input.pods)
    ++pods[static_cast<std::size_t>(pod.state)];
  families.add({label("state", "captured")}, pods[0]);
  families.add({label("state", "waiting")}, pods[1]);
  families.add({label("state", "failed")}, pods[2]);
}

}  // namespace

void Families::counter(std::string name, std::string help) {
  families_.push_back({std::move(name), std::move(help), prometheus::MetricType::Counter, {}});
}

void Families::gauge(std::string name, std::string help) {
  families_.push_back({std::move(name), std::move(help), prometheus::MetricType::Gauge, {}});
}

void Families::histogram(std::string name, std::string help) {
  families_.push_back({std::move(name), std::move(help), prometheus::MetricType::Histogram, {}});
}

void Families::add(std::vector<Label> labels, double value) {
  prometheus::ClientMetric &metric = families_.back().metric.emplace_back();
  metric.label = std::move(labels);
  metric.counter.value = value;  // the serializer reads the one that is the family's
  metric.gauge.value = value;
}

void Families::add_histogram(std::span<const double> bounds_s,
                             std::span<const std::uint64_t> counts, double sum_s) {
  prometheus::ClientMetric &metric = families_.back().metric.emplace_back();
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    cumulative += counts[i];
    double bound = i < bounds_s.size() ? bounds_s[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({cumulative, bound});
  }
  metric.histogram.sample_count = cumulative;
  metric.histogram.sample_sum = sum_s;
}

std::string Families::text() const { return prometheus::TextSerializer().Serialize(families_); }

std::string render_metrics(const MetricsInput &input) {
  Families families;
  add_traffic(families, input.reports);
  add_refusals(families, input);
  add_policies(families, input);
  add_handshakes(families, input);
  add_tunnels(families, input);
  add_capture(families, input);
  add_state(families, input);
  return families.text();
}

}  // namespace culvert
