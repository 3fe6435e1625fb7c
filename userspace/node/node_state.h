// SPDX-License-Identifier: Apache-2.0
// Private to node: the rooms of one node, in the order in which they are made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "culvert/control.h"
#include "culvert/node.h"
#include "culvert/offload.h"
#include "culvert/source.h"
#include "identities.h"
#include "local_pods.h"
#include "policies.h"

namespace culvert {

class NodeState final : public Node {
 public:
  explicit NodeState(const Config &config) : config_(config) {}
  ~NodeState() override;
  Result<void, Problem> start();
  void run() override;

 private:
  Result<void, Problem> choose_engine();
  Result<void, Problem> start_workers();
  Result<void, Problem> start_admin();

  void apply(const SnapshotPtr &snapshot);
  void set_destinations();
  void publish();  // one view for all data threads
  void number_identities();  // that data threads met
  void on_tick();
  void drain_events();
  void begin_drain();
  void check_drained();
  std::uint64_t connections() const;

  // admin.cc
  std::vector<ThreadReport> reports();
  Response status();
  Response workloads();
  Response certificates();
  Response connections_document();
  Response policies_document();
  Response explain(const Query &query);
  std::optional<verdict_answer> live_verdict(const Workload &destination, const SpiffeId &peer,
                                             const Ip &client, const Endpoint &to) const;
  std::vector<PolicyPtr> local_policies() const;
  Response metrics();
  Response ready_document() const;

  const Config config_;
  const Time started_ = std::chrono::system_clock::now();
  RecordEngine engine_{};
  EngineProbe probe_;
  std::string engine_reason_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Capture> capture_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Identities> identities_;
  Workers workers_;
  std::unique_ptr<Policies> policies_;
  std::unique_ptr<LocalPods> pods_;
  std::unique_ptr<HttpServer> admin_, public_;
  SnapshotPtr snapshot_;
  std::string destinations_problem_;
  bool ready_ = false;
  bool draining_ = false;
  std::chrono::steady_clock::time_point drain_until_;
  std::vector<Watch> watches_;
  Watch drain_watch_;
};

}  // namespace culvert
