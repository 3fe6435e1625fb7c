// SPDX-License-Identifier: Apache-2.0
#include "local_pods.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "culvert/log.h"
#include "steering.h"

namespace culvert {

// Whose pods are ours depends on no policy, and a mesh has many more than a node.
void LocalPods::find_ours(const Snapshot &snapshot) {
  ours_.clear();
  for (std::uint32_t place = 0; place < snapshot.workloads.size(); ++place) {
    const Workload &workload = *snapshot.workloads[place];
    if (workload.node == node_ && !workload.netns.empty()) ours_.push_back(place);
  }
}

void LocalPods::apply(const Snapshot &snapshot, bool same_places) {
  if (!same_places) find_ours(snapshot);
  std::map<std::string, WorkloadPtr> wanted;
  for (const std::uint32_t place : ours_)
    wanted[snapshot.workloads[place]->key()] = snapshot.workloads[place];
  for (auto pod = pods_.begin(); pod != pods_.end();) {
    const auto still = wanted.find(pod->first);
    if (still != wanted.end() && still->second->netns == pod->second.workload->netns) {
      ++pod;
      continue;
    }
    log_event(LogLevel::info, "pod removed", {{"pod", pod->first}});
    forget(pod->second);
    pod = pods_.erase(pod);
  }
  for (auto &[key, workload] : wanted) {
    Pod &pod = pods_[key];
    const bool changed = pod.workload != workload;
    pod.workload = workload;
    pod.status.key = key;
    if (changed) {
      pod.known = false;
      (void)bring_up(pod);
    }
  }
}

bool LocalPods::check() {
  bool changed = false;
  for (auto &[key, pod] : pods_) {
    if (pod.netns != nullptr && !namespace_is_same(pod)) {
      log_event(LogLevel::info, "pod's namespace is gone", {{"pod", key}});
      forget(pod);
      changed = true;
    }
    if (pod.known && pod.attached && pod.sweeps > 0) end_passed(pod);
    const bool due = std::chrono::steady_clock::now() >= pod.retry_at;
    if (pod.status.state != PodStatus::State::captured && due) changed |= bring_up(pod);
  }
  return changed;
}

void LocalPods::drop_orphans() {
  for (const std::uint64_t cookie : capture_.orphans()) {
    bool ours = false;
    for (const auto &[key, pod] : pods_) {
      ours |= pod.netns != nullptr && pod.netns->cookie == cookie;
    }
    if (ours) continue;
    capture_.detach_pod(cookie);
    capture_.forget_pod(cookie);
  }
  capture_.policies().drop_orphans();
}

// ---- one pod ----

// True: what the data threads should know of the pod changed.
bool LocalPods::bring_up(Pod &pod) {
  if (pod.netns == nullptr) {
    auto netns = open_netns(pod.workload->netns);
    if (!netns) return wait(pod, PodStatus::State::waiting, netns.error().text);
    pod.netns = std::make_shared<const PodNetns>(std::move(*netns));
  }
  // Listeners first: a pod whose reserved ports are not ours stays unknown to the connect hooks,
  // which refuse its meshed destinations, rather than steering them to whoever listens there.
  if (pod.workload->meshed && !pod.attached && !attach(pod)) return false;
  if (!pod.known) {
    auto set = tell(pod, pod.workload->meshed ? policies_.enforce(*pod.workload) : nullptr);
    if (!set) return wait(pod, PodStatus::State::failed, set.error().text);
    pod.known = true;
  }
  if (!pod.workload->meshed && pod.attached) detach(pod);
  const bool again = std::exchange(pod.announced, true);  // its object or its policies changed
  pod.status.state = PodStatus::State::captured;
  pod.status.reason.clear();
  pod.retry_after = retry_after_min;
  log_event(again ? LogLevel::debug : LogLevel::info,
            pod.workload->meshed ? "pod captured" : "pod known, not meshed",
            {{"pod", pod.status.key},
             {"netns", pod.workload->netns},
             {"identity", pod.workload->id.text()}});
  return true;
}

// One update of the pod's entry: addresses, mesh and policies change together.
Result<void, Problem> LocalPods::tell(Pod &pod, Policies::InForcePtr policies) {
  if (pod.attached) TRY(steer(pod));
  PodAddresses addresses;
  for (const Ip &ip : pod.workload->ips)
    (ip.is_v4() ? addresses.v4 : addresses.v6) = ip;
  TRY(capture_.set_pod(*pod.netns, addresses, pod.workload->meshed,
                       policies != nullptr ? policies->number : 0, plaintext_of(*pod.workload)));
  pod.policies = std::move(policies);
  pod.sweeps = pod.attached && pod.passed ? sweeps_after_change : 0;
  pod.passed |= passes_any(pod.steering);
  return {};
}

void LocalPods::end_passed() {
  for (auto &[key, pod] : pods_) {
    if (pod.sweeps == sweeps_after_change) end_passed(pod);
  }
}

// What came straight to an application in plaintext and may not any more.
void LocalPods::end_passed(Pod &pod) {
  --pod.sweeps;
  const PolicyTable *table = pod.policies != nullptr ? pod.policies->table.get() : nullptr;
  const auto stays = [&](const PassedConnection &connection) {
    return may_pass(*pod.workload, pod.steering, table, connection);
  };
  const auto swept = capture_.end_passed(*pod.netns, stays);
  for (const PassedConnection &ended : swept.ended) {
    log_event(LogLevel::warn, "plaintext connection ended",
              {{"src.addr", ended.client.text()},
               {"dst.addr", ended.application.text()},
               {"pod", pod.status.key},
               {"mode", name(pod.workload->modes.at(ended.application.port))},
               {"because", pod.workload->modes.because}});
  }
  if (swept.problem) {
    log_event(LogLevel::error, "plaintext not ended",
              {{"pod", pod.status.key}, {"error", swept.problem->text}});
  } else if (pod.sweeps == 0) {
    pod.passed = swept.left > 0 || passes_any(pod.steering);
  }
}

// Before the policies: a first one for the pod must not meet connections that pass the daemon by.
Result<void, Problem> LocalPods::steer(Pod &pod) {
  // Asked for only where a probe needs them: the list has an interface for each pod of the node.
  const auto node_ips = pod.workload->probe_ports.empty() ? std::vector<Ip>() : node_addresses();
  pod.steering = steering_of(*pod.workload, node_ips);
  return capture_.steer(pod.netns->cookie, pod.steering);
}

bool LocalPods::enforce_again() {
  bool changed = false;
  for (auto &[key, pod] : pods_) {
    if (!pod.known || !pod.workload->meshed) continue;
    auto policies = policies_.enforce(*pod.workload);
    if (policies == pod.policies) continue;
    pod.known = tell(pod, std::move(policies)).has_value();  // else bring_up() tries again
    if (!pod.known) pod.status.state = PodStatus::State::waiting;
    changed = true;
  }
  return changed;
}

bool LocalPods::attach(Pod &pod) {
  auto listeners = capture_.attach_pod(*pod.netns, static_cast<unsigned>(workers_.size()));
  if (!listeners) {
    capture_.forget_pod(pod.netns->cookie);  // an earlier daemon may have left it known
    return wait(pod, PodStatus::State::failed, listeners.error().text);
  }
  pod.listeners = std::move(*listeners);
  pod.attached = true;
  return true;
}

void LocalPods::listen() {
  for (auto &[key, pod] : pods_) {
    for (std::size_t i = 0; i < pod.listeners.size(); ++i) {
      workers_[i]->add_listeners(pod.netns->cookie, std::move(pod.listeners[i]));
    }
    pod.listeners.clear();
  }
}

void LocalPods::detach(Pod &pod) {
  pod.listeners.clear();
  for (auto &worker : workers_)
    worker->remove_listeners(pod.netns->cookie);
  capture_.detach_pod(pod.netns->cookie);
  pod.attached = false;
  pod.passed = true;
  pod.sweeps = 0;
}

void LocalPods::forget(Pod &pod) {
  if (pod.netns == nullptr) return;
  if (pod.attached) detach(pod);
  capture_.forget_pod(pod.netns->cookie);
  pod.known = false;
  pod.announced = false;
  pod.policies.reset();
  pod.netns.reset();
  pod.status.state = PodStatus::State::waiting;
}

bool LocalPods::namespace_is_same(const Pod &pod) const {
  struct stat now{};
  struct stat ours{};
  return ::stat(pod.workload->netns.c_str(), &now) == 0 &&
         ::fstat(pod.netns->fd.get(), &ours) == 0 && now.st_ino == ours.st_ino &&
         now.st_dev == ours.st_dev;
}

bool LocalPods::wait(Pod &pod, PodStatus::State state, std::string reason) {
  if (pod.status.reason != reason) {
    log_event(LogLevel::warn, "pod not captured", {{"pod", pod.status.key}, {"reason", reason}});
  }
  pod.announced = false;
  pod.status.state = state;
  pod.status.reason = std::move(reason);
  if (state == PodStatus::State::failed) {  // each try loads programs: less and less often
    pod.retry_after = std::min(pod.retry_after * 2, retry_after_max);
    pod.retry_at = std::chrono::steady_clock::now() + pod.retry_after;
  }
  return false;
}

// ---- for others ----

std::set<SpiffeId> LocalPods::identities() const {
  std::set<SpiffeId> ids;
  for (const auto &[key, pod] : pods_) {
    if (pod.workload->meshed) ids.insert(pod.workload->id);
  }
  return ids;
}

void LocalPods::fill(NodeView &view) const {
  for (const auto &[key, pod] : pods_) {
    if (!pod.attached) continue;
    view.pods[pod.netns->cookie] = {
        .workload = pod.workload,
        .netns = pod.netns,
        .identity = nullptr,
        .policies = pod.policies != nullptr ? pod.policies->table : nullptr,
        .dry_run = pod.policies != nullptr ? pod.policies->dry_run : nullptr,
        .policy_set = pod.policies != nullptr ? pod.policies->set : nullptr};
  }
}

std::vector<PodStatus> LocalPods::statuses() const {
  std::vector<PodStatus> all;
  for (const auto &[key, pod] : pods_) {
    if (pod.workload->meshed) all.push_back(pod.status);
  }
  return all;
}

const PodStatus *LocalPods::status(const std::string &key) const {
  const auto found = pods_.find(key);
  return found == pods_.end() ? nullptr : &found->second.status;
}

std::uint32_t LocalPods::policy_set(const std::string &key) const {
  const auto found = pods_.find(key);
  const bool told = found != pods_.end() && found->second.policies != nullptr;
  return told ? found->second.policies->number : 0;
}

bool LocalPods::settled() const {
  for (const auto &[key, pod] : pods_) {
    if (pod.workload->meshed && pod.status.state != PodStatus::State::captured) return false;
  }
  return true;
}

}  // namespace culvert
