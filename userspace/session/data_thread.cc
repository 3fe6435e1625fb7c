// SPDX-License-Identifier: Apache-2.0
// The turn of a data thread: completions, then due timers, then one slice of the oldest waiting
// handshake. A handshake's signature therefore delays bulk flows by one slice at most, and while
// nothing waits for the ring the slices run back to back.
#include "data_thread.h"

#include <sys/eventfd.h>

#include <algorithm>

#include "account.h"
#include "inbound.h"
#include "outbound.h"
#include "pod_accept.h"
#include "sockets.h"
#include "unnumbered.h"

namespace culvert {

namespace {

// Of one source address; others keep room for theirs while a pod holds half-open handshakes.
constexpr std::uint32_t handshakes_of_source_divisor = 4;

}  // namespace

DataThread::DataThread(const Worker::Settings &its_settings, std::unique_ptr<Ring> its_ring,
                       FlowTable flow_table, Announcer its_announcer, const Reports &reports)
    : settings(its_settings),
      ring(std::move(its_ring)),
      flows(flow_table),
      announcer(its_announcer),
      counters(reports.counters),
      events(reports.events),
      silence_timers(silence_limit(settings.keepalive)),
      pool(*ring, counters,
           {.key_max = settings.idle_max,
            .total_max = 8192,
            .idle_timeout = settings.idle_timeout,
            .age_max = settings.age_max}),
      handshake_timers(settings.handshake_timeout),
      answer_timers(2 * settings.handshake_timeout),
      view(std::make_shared<const NodeView>()),
      unnumbered_(reports.unnumbered) {
  keep_spare();
}

DataThread::~DataThread() = default;

// ---- the loop ----

void DataThread::run() {
  while (!stopping_) {
    ring->run_once(deadline());
    handshake_timers.run(ring->now());
    answer_timers.run(ring->now());
    silence_timers.run(ring->now());
    accept_timers.run(ring->now());
    greeting_timers.run(ring->now());
    pool.run_timers(ring->now());
    run_slices();
    trim_buffers();
  }
  while (!sessions_.empty())
    sessions_.back()->cut(Refusal::draining);
  pool.clear();
  for (auto &[cookie, accept] : accepts_)
    PodAccept::close(std::move(accept));
  accepts_.clear();
  // The kernel lets go of cancelled operations within a turn or two.
  for (int turn = 0; turn < 50; ++turn)
    ring->run_once(Clock::now() + std::chrono::milliseconds(2));
}

void DataThread::stop() { stopping_ = true; }

std::optional<Clock::time_point> DataThread::deadline() const {
  if (!slices_.empty()) return ring->now();
  std::optional<Clock::time_point> earliest = handshake_timers.next();
  for (const auto &other : {answer_timers.next(), silence_timers.next(), accept_timers.next(),
                            greeting_timers.next(), pool.next()}) {
    if (other && (!earliest || *other < *earliest)) earliest = other;
  }
  if (buffers.free() > 1 && (!earliest || trim_at_ < *earliest)) earliest = trim_at_;
  return earliest;
}

void DataThread::run_slices() {
  if (slices_.empty()) return;
  Slice *slice = slices_.front();
  slices_.pop_front();
  slice->run_slice();
}

void DataThread::forget(Slice &slice) { std::erase(slices_, &slice); }

void DataThread::trim_buffers() {
  if (ring->now() < trim_at_) return;
  buffers.trim();
  trim_at_ = ring->now() + std::chrono::seconds(1);
}

// ---- what the control thread asks for ----

void DataThread::apply(std::shared_ptr<const NodeView> next) {
  if (view->numbers != next->numbers) asked_.clear();
  view = std::move(next);
  pool.sweep([this](const TunnelPool::Key &key, const TunnelPool::Idle &idle) {
    const PodView *source = pod(key.source);
    if (source == nullptr || source->identity != idle.identity) return false;
    const WorkloadPtr destination = view->snapshot->workload(key.destination.ip);
    return destination != nullptr && destination->meshed &&
           destination->policies == idle.policies && destination->id == idle.tunnel->facts().peer;
  });
  for (auto next_session = sessions_.begin(); next_session != sessions_.end();) {
    Session &session = **next_session++;  // it may leave the list
    session.on_view();
  }
  leave_netns();  // of a pod that is gone, perhaps
}

void DataThread::add_listeners(std::uint64_t cookie, PodListeners listeners) {
  // Accepted sockets inherit it: five system calls less for each tunnel.
  for (const UniqueFd *listener : {&listeners.inbound_v4, &listeners.inbound_v6}) {
    if (!listener->empty()) set_keepalive(*listener, settings.keepalive);
  }
  accepts_[cookie] = std::make_unique<PodAccept>(*this, cookie, std::move(listeners));
}

void DataThread::remove_listeners(std::uint64_t cookie) {
  const auto found = accepts_.find(cookie);
  if (found == accepts_.end()) return;
  PodAccept::close(std::move(found->second));
  accepts_.erase(found);
}

void DataThread::drain() {
  draining_ = true;
  pool.clear();
}

ThreadReport DataThread::report() {
  ThreadReport report;
  std::unordered_map<TrafficKey, Traffic, TrafficHash> totals = traffic;
  for (const auto &session : sessions_) {
    ConnectionRecord record;
    if (!session->describe(record)) continue;
    Traffic &total = totals[traffic_key(record)];
    total.sent_bytes += record.sent_bytes;
    total.received_bytes += record.received_bytes;
    report.live.push_back(std::move(record));
  }
  report.traffic.assign(totals.begin(), totals.end());
  report.policies.assign(policy_hits.begin(), policy_hits.end());
  report.dry_run.assign(dry_run_hits.begin(), dry_run_hits.end());
  return report;
}

// ---- what sessions ask for ----

const PodView *DataThread::pod(std::uint64_t cookie) const {
  const auto found = view->pods.find(cookie);
  return found == view->pods.end() ? nullptr : &found->second;
}

std::optional<std::uint32_t> DataThread::number_of(const SpiffeId &id) {
  if (view->numbers != nullptr) {
    const auto found = view->numbers->find(id.text());
    if (found != view->numbers->end()) return found->second;
  }
  if (asked_.insert(id.text()).second) unnumbered_.add(id);
  return std::nullopt;
}

void DataThread::accept(Direction direction, std::uint64_t cookie, UniqueFd socket) {
  if (draining_) return turn_away(direction, cookie, std::move(socket), Refusal::draining, "");
  if (direction == Direction::outbound) {
    begin(std::make_unique<OutboundSession>(*this, cookie, std::move(socket)));
  } else {
    begin(std::make_unique<InboundSession>(*this, cookie, std::move(socket)));
  }
}

void DataThread::begin(std::unique_ptr<Session> session) {
  Session &begun = *session;
  sessions_.push_back(std::move(session));
  begun.place = std::prev(sessions_.end());
  begun.start();
}

void DataThread::turn_away(Direction direction, std::uint64_t cookie, UniqueFd socket,
                           Refusal refusal, std::string detail) {
  ConnectionRecord record;
  const PodView *local = pod(cookie);
  record.source_address = peer_of(socket);
  if (direction == Direction::outbound) {
    if (local != nullptr) record.source = local->workload;
    if (auto wanted = flows.take(cookie, record.source_address))
      record.destination_address = *wanted;
  } else {
    if (local != nullptr) record.destination = local->workload;
    record.destination_address = local_of(socket);
  }
  record.detail = std::move(detail);
  close_with_reset(std::move(socket));
  refuse(direction, refusal, std::move(record));
}

void DataThread::keep_spare() {
  if (!spare.empty()) return;
  const int fd = ::eventfd(0, EFD_CLOEXEC);
  if (fd >= 0) spare = UniqueFd(fd);
}

void DataThread::bury(Session &session) {
  std::unique_ptr<Session> last = std::move(*session.place);
  sessions_.erase(session.place);
  ring->bury(std::move(last));
}

bool DataThread::handshake_begins(const Ip &source) {
  std::uint32_t total = 0;
  const auto found = handshakes_by_source_.find(source);
  if (found != handshakes_by_source_.end()) total = found->second;
  if (counters.handshakes_in_progress.get() >= settings.handshakes_max ||
      total >= std::max(1U, settings.handshakes_max / handshakes_of_source_divisor)) {
    return false;
  }
  ++handshakes_by_source_[source];
  return true;
}

void DataThread::handshake_ends(const Ip &source) {
  const auto found = handshakes_by_source_.find(source);
  ENSURE(found != handshakes_by_source_.end());
  if (--found->second == 0) handshakes_by_source_.erase(found);
}

bool DataThread::full() const {
  return counters.connections[0].get() + counters.connections[1].get() > settings.connections_max;
}

void DataThread::refuse(Direction direction, Refusal refusal, ConnectionRecord record) {
  counters.refusals[static_cast<std::size_t>(direction)][static_cast<std::size_t>(refusal)].add();
  record.direction = direction;
  record.refusal = refusal;
  log(std::move(record));
}

void DataThread::log(ConnectionRecord record) {
  if (!events.push(std::move(record))) counters.events_dropped.add();
}

std::size_t DataThread::TrafficHash::operator()(const TrafficKey &key) const noexcept {
  std::size_t hash = std::hash<std::string>()(key.peer_identity);
  for (const void *pointer : {static_cast<const void *>(key.source.get()),
                              static_cast<const void *>(key.destination.get()),
                              static_cast<const void *>(key.service.get())}) {
    hash = hash * 31 + std::hash<const void *>()(pointer);
  }
  return hash * 4 + static_cast<std::size_t>(key.direction);
}

}  // namespace culvert
