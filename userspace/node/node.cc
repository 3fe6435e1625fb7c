// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "culvert/log.h"
#include "node_state.h"
#include "notify.h"
#include "steering.h"

namespace culvert {

namespace {

using namespace std::chrono_literals;

// Every connection takes two descriptors here. Refused by the kernel: we live with what we have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlimit wanted{.rlim_cur = 1048576, .rlim_max = std::max<rlim_t>(limit.rlim_max, 1048576)};
  if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<void, Problem> make_directory(const std::string &path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
      return problem(part + ": cannot make the directory: " + describe(os_error("mkdir", errno)));
    }
    if (slash == std::string::npos) return {};
  }
}

}  // namespace

Result<std::unique_ptr<Node>, Problem> Node::create(const Config &config) {
  auto node = std::make_unique<NodeState>(config);
  TRY(node->start());
  return std::unique_ptr<Node>(std::move(node));
}

// ---- start, in order ----

Result<void, Problem> NodeState::start() {
  raise_descriptor_limit();
  TRY(make_directory(config_.runtime_directory));
  TRY(choose_engine());
  loop_ = TRY(Loop::create());
  source_ = TRY(open_directory(config_.resources_directory,
                               {.trust_domain = config_.trust_domain,
                                .root_namespace = config_.root_namespace,
                                .trust_domain_aliases = config_.trust_domain_aliases,
                                .default_mode = config_.default_mode}));
  auto authority = TRY(
      create_authority(config_.authority.directory, config_.authority.ttl, config_.trust_domain));
  identities_ = std::make_unique<Identities>(
      std::move(authority), TlsIdentity::Options{.cipher_suites = config_.tunnel.cipher_suites,
                                                 .resumption = config_.tunnel.resumption});
  capture_ = TRY(Capture::create({.cgroup = config_.cgroup, .bpffs = config_.bpffs}));
  TRY(start_workers());
  policies_ = std::make_unique<Policies>(capture_->policies());
  pods_ = std::make_unique<LocalPods>(config_.node, *capture_, *policies_, workers_);
  TRY(start_admin());
  apply(source_->read());
  pods_->drop_orphans();
  return {};
}

Result<void, Problem> NodeState::choose_engine() {
  probe_ = probe_engines();
  if (config_.tunnel.records == RecordsChoice::kernel && !probe_.kernel) {
    return problem("tunnel.records: kernel: this machine cannot: " + probe_.reason +
                   "; load the tls module, or write auto or userspace");
  }
  const bool kernel = config_.tunnel.records != RecordsChoice::userspace && probe_.kernel;
  engine_ = kernel ? RecordEngine::kernel : RecordEngine::userspace;
  switch (config_.tunnel.records) {
    case RecordsChoice::automatic:
      engine_reason_ = "probed: " + probe_.reason;
      break;
    case RecordsChoice::kernel:
      engine_reason_ = "configured: tunnel.records; " + probe_.reason;
      break;
    case RecordsChoice::userspace:
      engine_reason_ = "configured: tunnel.records";
      break;
  }
  return {};
}

Result<void, Problem> NodeState::start_workers() {
  const unsigned count = config_.data_threads;
  const auto share = [count](std::uint32_t of_all) { return std::max(1U, of_all / count); };
  const Config::Tunnel &tunnel = config_.tunnel;
  for (unsigned index = 0; index < count; ++index) {
    const Worker::Settings settings{.index = index,
                                    .engine = engine_,
                                    .records = {.engine = engine_,
                                                .no_pad = probe_.no_pad,
                                                .kernel_rekey = probe_.kernel_rekey,
                                                .key_update_records = tunnel.key_update_records},
                                    .splice = engine_ == RecordEngine::kernel && probe_.splice,
                                    .connections_max = share(tunnel.connections_max),
                                    .handshakes_max = share(tunnel.handshakes_max),
                                    .idle_max = tunnel.idle_max,
                                    .handshake_timeout = tunnel.handshake_timeout,
                                    .idle_timeout = tunnel.idle_timeout,
                                    .age_max = tunnel.age_max,
                                    .keepalive = tunnel.keepalive};
    workers_.push_back(TRY(Worker::start(settings, capture_->flows(), capture_->announcer())));
  }
  return {};
}

NodeState::~NodeState() {
  watches_.clear();
  drain_watch_ = {};
  workers_.clear();
  if (capture_ != nullptr) drain_events();
}

// ---- desired state ----

void NodeState::apply(const SnapshotPtr &snapshot) {
  if (snapshot == nullptr) return;
  const bool same_addresses = snapshot_ != nullptr && snapshot->shares_addresses(*snapshot_);
  snapshot_ = snapshot;
  for (const ResourceError &error : snapshot->errors) {
    log_event(LogLevel::warn, "resource error",
              {{"file", error.file},
               {"line", error.line},
               {"object", error.object},
               {"error", error.text}});
  }
  // Policies alone change no destination.
  if (!same_addresses || !destinations_problem_.empty()) set_destinations();
  policies_->know(snapshot);
  pods_->apply(*snapshot, same_addresses);
  pods_->enforce_again();
  log_event(LogLevel::info, "snapshot applied",
            {{"snapshot", snapshot->number},
             {"workloads", snapshot->workloads.size()},
             {"services", snapshot->services.size()},
             {"errors", snapshot->errors.size()}});
  publish();
}

void NodeState::set_destinations() {
  destinations_problem_.clear();
  auto set = capture_->set_destinations(destinations_of(*snapshot_));
  if (set) return;
  destinations_problem_ = set.error().text;
  log_event(LogLevel::error, "destinations incomplete", {{"error", destinations_problem_}});
}

void NodeState::publish() {
  identities_->want(pods_->identities());
  auto view = std::make_shared<NodeView>();
  view->snapshot = snapshot_;
  view->numbers = policies_->numbers();
  pods_->fill(*view);
  for (auto &[cookie, pod] : view->pods)
    pod.identity = identities_->find(pod.workload->id);
  const std::shared_ptr<const NodeView> published = std::move(view);
  for (auto &worker : workers_)
    worker->apply(published);
  pods_->listen();
  pods_->end_passed();
  policies_->collect();
}

void NodeState::number_identities() {
  bool learned = false;
  for (auto &worker : workers_) {
    for (const SpiffeId &id : worker->take_unnumbered())
      learned |= policies_->learn(id);
  }
  if (!learned) return;
  pods_->enforce_again();
  publish();
}

// ---- serving ----

void NodeState::run() {
  watches_.push_back(loop_->on_readable(source_->fd(), [this] { apply(source_->read()); }));
  for (auto &worker : workers_) {
    watches_.push_back(
        loop_->on_readable(worker->unnumbered_fd(), [this] { number_identities(); }));
  }
  watches_.push_back(loop_->every(100ms, [this] { drain_events(); }));
  watches_.push_back(loop_->every(500ms, [this] { on_tick(); }));
  for (const int signal : {SIGTERM, SIGINT}) {
    watches_.push_back(loop_->on_signal(signal, [this] { begin_drain(); }));
  }
  on_tick();
  loop_->run();
  log_event(LogLevel::info, "stopped", {});
}

void NodeState::on_tick() {
  if (draining_) return;
  const bool sets_changed = !policies_->problems().empty() && pods_->enforce_again();
  const bool pods_changed = pods_->check() || sets_changed;
  const bool identities_changed = identities_->advance();
  if (pods_changed || identities_changed) publish();
  if (ready_ || snapshot_ == nullptr || !pods_->settled()) return;
  ready_ = true;
  notify_service_manager("READY=1");
  log_event(LogLevel::info, "ready", {{"node", config_.node}, {"pods", pods_->statuses().size()}});
}

void NodeState::drain_events() {
  for (auto &worker : workers_) {
    while (auto record = worker->events().pop())
      AccessLog::write(*record);
  }
}

std::uint64_t NodeState::connections() const {
  std::uint64_t sum = 0;
  for (const auto &worker : workers_) {
    for (const Counter &counter : worker->counters().connections)
      sum += counter.get();
  }
  return sum;
}

void NodeState::begin_drain() {
  if (draining_) return loop_->stop();  // asked twice: now
  draining_ = true;
  ready_ = false;
  notify_service_manager("STOPPING=1");
  log_event(LogLevel::info, "draining", {{"connections", connections()}});
  for (auto &worker : workers_)
    worker->drain();
  drain_until_ = std::chrono::steady_clock::now() + config_.tunnel.drain_timeout;
  drain_watch_ = loop_->every(50ms, [this] { check_drained(); });
}

void NodeState::check_drained() {
  const bool late = std::chrono::steady_clock::now() >= drain_until_;
  if (connections() > 0 && !late) return;
  if (late) log_event(LogLevel::warn, "drain timed out", {{"connections", connections()}});
  drain_events();
  loop_->stop();
}

}  // namespace culvert
