// SPDX-License-Identifier: Apache-2.0
// observe: what the daemon shows of itself: access log, metrics (Prometheus text), the admin
// socket's JSON documents. Values in, text out; nothing here reaches into another room. Control
// thread only.
//
// Directions of bytes follow Istio, so that its dashboards stay true: "sent" is what the
// destination sent to the source (the response), "received" what the source sent. docs/metrics.md
// has the list.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "culvert/capture.h"
#include "culvert/identity.h"
#include "culvert/log.h"
#include "culvert/report.h"
#include "culvert/snapshot.h"

namespace culvert {

// ---- access log: one line for each connection that ended and for each refusal -----------------

class AccessLog {
 public:
  // WARN where culvert turned the connection away or cut it off; INFO where the applications ended
  // it, a reset included.
  static void write(const ConnectionRecord &record);
  // What write() logs, without time; for tests.
  static LogLevel level(const ConnectionRecord &record);
  static std::string_view message(const ConnectionRecord &record);
  static std::vector<LogField> fields(const ConnectionRecord &record);
};

// ---- metrics ----------------------------------------------------------------------------------

struct PodStatus {
  std::string key{};  // "shop/web"
  enum class State : std::uint8_t { captured, waiting, failed } state{};
  std::string reason{};  // of waiting and failed: object, cause, next step
};

struct MetricsInput {
  std::string version{}, node{};
  std::vector<const Counters *> counters{};  // one a data thread
  std::span<const ThreadReport> reports{};  // one a data thread
  std::uint64_t snapshot = 0;  // number
  Time snapshot_made{}, now{};
  std::uint64_t resource_errors = 0, ignored_objects = 0;
  std::vector<MapUse> maps{};
  std::vector<std::pair<std::string, std::uint64_t>> capture_events{};
  std::vector<CertificateStore::Entry> certificates{};
  std::span<const PodStatus> pods{};
  std::span<const PolicyPtr> policies{};  // that select pods of this node; some may be twice
  RecordEngine engine{};
};
inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";
std::string render_metrics(const MetricsInput &input);

// ---- the admin socket's documents (camelCase, raw numbers, RFC 3339 times) ---------------------

struct StatusInput {  // GET /status
  std::string version{}, node{};
  Time started{}, now{};
  bool ready = false;
  std::uint64_t snapshot = 0;  // number; 0: none yet
  Time snapshot_made{};
  std::span<const PodStatus> pods{};  // meshed pods of this node
  RecordEngine engine{};
  std::string engine_reason{};  // "probe: no tls module", "configured"
  std::string identity_source{};
  std::string trust_domain{};
  std::uint64_t connections = 0;
  std::span<const ResourceError> resource_errors{};
  std::vector<std::string> warnings{};
};
std::string status_json(const StatusInput &input);

struct WorkloadStatus {
  WorkloadPtr workload{};
  bool local = false;  // on this node
  std::string_view mode{};  // where no port says otherwise: "STRICT"; empty: not meshed
  bool captured = false;  // of a local one
  std::string reason{};  // why not captured: "not meshed", "on node-b", a Problem's text
};
std::string workloads_json(std::span<const WorkloadStatus> workloads);  // GET /workloads

struct CertificatesInput {  // GET /certificates
  std::string_view source{};
  std::vector<CertificateStore::Entry> entries{};
  std::vector<std::shared_ptr<const TrustBundle>> bundles{};
  Time now{};
};
std::string certificates_json(const CertificatesInput &input);

// GET /connections: live sessions, newest last
std::string connections_json(std::span<const ThreadReport> reports, Time now);

// "2026-01-02T03:04:05Z"
std::string rfc3339(Time time);

}  // namespace culvert
