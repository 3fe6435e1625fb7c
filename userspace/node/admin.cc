// SPDX-License-Identifier: Apache-2.0
// What the node answers on the admin socket (root only) and on the metrics port.
#include <algorithm>
#include <set>

#include "culvert/observe_policies.h"
#include "culvert/version.h"
#include "explain.h"
#include "node_state.h"

namespace culvert {

namespace {

using namespace std::chrono_literals;

Time now() { return std::chrono::system_clock::now(); }

}  // namespace

Result<void, Problem> NodeState::start_admin() {
  admin_ = TRY(HttpServer::create(*loop_));
  TRY(admin_->listen_unix(config_.runtime_directory + "/admin.sock"));
  admin_->route("/status", [this](const Query &) { return status(); });
  admin_->route("/workloads", [this](const Query &) { return workloads(); });
  admin_->route("/certificates", [this](const Query &) { return certificates(); });
  admin_->route("/connections", [this](const Query &) { return connections_document(); });
  admin_->route("/policies", [this](const Query &) { return policies_document(); });
  admin_->route("/explain", [this](const Query &query) { return explain(query); });
  public_ = TRY(HttpServer::create(*loop_));
  TRY(public_->listen_tcp(config_.metrics_listen));
  for (HttpServer *server : {admin_.get(), public_.get()}) {
    server->route("/metrics", [this](const Query &) { return metrics(); });
    server->route("/ready", [this](const Query &) { return ready_document(); });
  }
  return {};
}

// A data thread answers within a turn. One that does not is left out rather than waited for.
std::vector<ThreadReport> NodeState::reports() {
  std::vector<std::future<ThreadReport>> answers;
  for (auto &worker : workers_)
    answers.push_back(worker->report());
  std::vector<ThreadReport> all;
  const auto limit = std::chrono::steady_clock::now() + 2s;
  for (auto &answer : answers) {
    if (answer.wait_until(limit) == std::future_status::ready) all.push_back(answer.get());
  }
  return all;
}

Response NodeState::status() {
  const auto pods = pods_->statuses();
  StatusInput input{.version = version,
                    .node = config_.node,
                    .started = started_,
                    .now = now(),
                    .ready = ready_,
                    .pods = pods,
                    .engine = engine_,
                    .engine_reason = engine_reason_,
                    .identity_source = std::string(identities_->store().source_name()),
                    .trust_domain = config_.trust_domain,
                    .connections = connections()};
  if (snapshot_ != nullptr) {
    input.snapshot = snapshot_->number;
    input.snapshot_made = snapshot_->made;
    input.resource_errors = snapshot_->errors;
  }
  if (!destinations_problem_.empty()) input.warnings.push_back(destinations_problem_);
  for (const std::string &problem : policies_->problems())
    input.warnings.push_back(problem);
  if (draining_) input.warnings.emplace_back("draining");
  for (const auto &entry : identities_->store().entries()) {
    if (!entry.error.empty()) input.warnings.push_back(entry.id.text() + ": " + entry.error);
  }
  return {.body = status_json(input)};
}

Response NodeState::workloads() {
  std::vector<WorkloadStatus> all;
  for (const WorkloadPtr &workload : snapshot_->workloads) {
    WorkloadStatus entry{.workload = workload,
                         .local = workload->node == config_.node,
                         .mode = workload->meshed ? name(workload->modes.everywhere) : ""};
    const PodStatus *pod = pods_->status(workload->key());
    entry.captured = workload->meshed && pod != nullptr && pod->state == PodStatus::State::captured;
    if (!workload->meshed) {
      entry.reason = "not meshed";
    } else if (!entry.local) {
      entry.reason = "on " + (workload->node.empty() ? std::string("no node") : workload->node);
    } else if (pod == nullptr) {
      entry.reason = "no annotation culvert.dev/netns";
    } else {
      entry.reason = pod->reason;
    }
    all.push_back(std::move(entry));
  }
  return {.body = workloads_json(all)};
}

Response NodeState::certificates() {
  CertificatesInput input{.source = identities_->store().source_name(),
                          .entries = identities_->store().entries(),
                          .now = now()};
  if (auto bundle = identities_->store().bundle()) input.bundles.push_back(std::move(bundle));
  return {.body = certificates_json(input)};
}

Response NodeState::connections_document() { return {.body = connections_json(reports(), now())}; }

Response NodeState::policies_document() {
  if (snapshot_ == nullptr) return {.body = policies_json({.snapshot = Snapshot()})};
  const auto all = reports();
  auto sums = sum_hits(all, &ThreadReport::policies);
  std::vector<PolicyHits> hits;
  hits.reserve(snapshot_->policies.size());
  for (const PolicyPtr &policy : snapshot_->policies)
    hits.push_back(sums[policy->key()]);
  const auto problems = policies_->problems();
  return {.body = policies_json({.snapshot = *snapshot_, .hits = hits, .problems = problems})};
}

// The kernel is asked, not our own tables.
std::optional<verdict_answer> NodeState::live_verdict(const Workload &destination,
                                                      const SpiffeId &peer, const Ip &client,
                                                      const Endpoint &to) const {
  const std::uint32_t set = pods_->policy_set(destination.key());
  const auto number = peer.text().empty() ? std::optional<std::uint32_t>(IDENTITY_NONE)
                                          : policies_->number_of(peer);
  if (set == 0 || !number) return std::nullopt;
  verdict_question question{.set = set,
                            .identity = *number,
                            .client = {},
                            .port = to.port,
                            .is_v6 = static_cast<std::uint16_t>(to.ip.is_v4() ? 0 : 1)};
  std::ranges::copy(client.bytes, question.client);
  const auto answer = capture_->policies().verdict(question);
  return answer ? std::optional(*answer) : std::nullopt;
}

Response NodeState::explain(const Query &query) {
  const auto live = [this](const Workload &destination, const SpiffeId &peer, const Ip &client,
                           const Endpoint &to) {
    return live_verdict(destination, peer, client, to);
  };
  return explain_document(query, snapshot_.get(), {.name = config_.node, .live = live});
}

// Only those select connections that are judged here.
std::vector<PolicyPtr> NodeState::local_policies() const {
  std::set<const PolicySet *> seen;
  std::vector<PolicyPtr> out;
  for (const WorkloadPtr &workload : snapshot_->workloads) {
    const PolicySetPtr &set = workload->policies;
    const bool judged = workload->meshed && workload->node == config_.node && set != nullptr;
    if (!judged || !seen.insert(set.get()).second) continue;
    out.insert(out.end(), set->policies.begin(), set->policies.end());
  }
  return out;
}

Response NodeState::metrics() {
  const auto all = reports();
  const auto pods = pods_->statuses();
  const auto policies = snapshot_ != nullptr ? local_policies() : std::vector<PolicyPtr>();
  MetricsInput input{.version = version, .node = config_.node, .reports = all, .now = now()};
  for (const auto &worker : workers_)
    input.counters.push_back(&worker->counters());
  if (snapshot_ != nullptr) {
    input.snapshot = snapshot_->number;
    input.snapshot_made = snapshot_->made;
    input.resource_errors = snapshot_->errors.size();
    input.ignored_objects = snapshot_->ignored_objects;
  }
  input.maps = capture_->maps();
  input.capture_events = capture_->events();
  input.certificates = identities_->store().entries();
  input.pods = pods;
  input.policies = policies;
  input.engine = engine_;
  return {.content_type = std::string(metrics_content_type), .body = render_metrics(input)};
}

Response NodeState::ready_document() const {
  if (ready_) return {.content_type = "text/plain", .body = "ready\n"};
  return {.status = 503, .content_type = "text/plain", .body = "not ready\n"};
}

}  // namespace culvert
