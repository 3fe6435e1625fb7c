// SPDX-License-Identifier: Apache-2.0
#include "culvert/capture.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "cgroup.h"
#include "culvert/abi.h"
#include "destinations.h"
#include "events.h"
#include "inbound.h"
#include "keys.h"
#include "listeners.h"
#include "netns.h"
#include "passed.h"
#include "pins.h"
#include "policy_tables.h"
#include "problem_text.h"
#include "programs.h"

namespace culvert {

namespace {

class BpfCapture final : public Capture {
 public:
  BpfCapture(const Options &options, std::uint64_t own_cgroup, Pins pins, NodePrograms programs,
             DestinationTable destinations, std::unique_ptr<PolicyTables> policies)
      : options_(options),
        own_cgroup_(own_cgroup),
        pins_(std::move(pins)),
        programs_(std::move(programs)),
        destinations_(std::move(destinations)),
        policies_(std::move(policies)) {
    for (const std::uint64_t cookie : steered()) {
      if (!pins_.is_detached(inbound_name(cookie))) continue;  // its namespace lives
      detach_pod(cookie);
      forget_pod(cookie);
    }
  }

  Result<void, Problem> set_pod(const PodNetns &netns, const PodAddresses &addresses, bool meshed,
                                std::uint32_t policy_set, Plaintext plaintext) override {
    pod_entry entry{};
    std::ranges::copy(addresses.v4.bytes, entry.ip4);
    std::ranges::copy(addresses.v6.bytes, entry.ip6);
    entry.mesh = meshed ? POD_MESHED : POD_PLAIN;
    entry.policy_set = policy_set;
    entry.plaintext = plaintext == Plaintext::taken ? POD_PLAINTEXT_TAKEN : POD_PLAINTEXT_REFUSED;
    const int error = ::bpf_map_update_elem(programs_.pods.get(), &netns.cookie, &entry, BPF_ANY);
    if (error != 0) {
      return problem_with("BPF map pods", "insert", -error,
                          "room for " + std::to_string(options_.pods_max) +
                              " pods: raise pods_max, or run fewer pods on this node");
    }
    known_.insert(netns.cookie);
    if (!meshed) detach_pod(netns.cookie);  // a previous daemon may have known it as meshed
    return {};
  }

  void forget_pod(std::uint64_t cookie) override {
    ::bpf_map_delete_elem(programs_.pods.get(), &cookie);  // absent: forgotten already
    sweep_flows(cookie);
    known_.erase(cookie);
  }

  Result<std::vector<PodListeners>, Problem> attach_pod(const PodNetns &netns,
                                                        unsigned threads) override {
    ENSURE(threads > 0);
    sweep_flows(netns.cookie);
    Result<std::vector<PodListeners>, Problem> listeners = listen_in(netns, threads);
    // Without listeners the pod is steered all the same, to nobody: its inbound connections are
    // refused, not left to reach it in clear.
    const PodListeners none;
    const NodeMaps node{programs_.events.get(), destinations_.map_fd(),
                        destinations_.settings_fd()};
    Inbound inbound = TRY(steer_inbound(pins_, netns, listeners ? listeners->front() : none, node));
    inbound_.insert_or_assign(netns.cookie, std::move(inbound));
    return listeners;
  }

  Result<void, Problem> steer(std::uint64_t cookie, const InboundSteering &steering) override {
    const auto found = inbound_.find(cookie);
    if (found == inbound_.end()) {
      return problem("pod: its inbound connections are not steered: attach it first");
    }
    return found->second.steering.set(steering);
  }

  PassedSweep end_passed(const PodNetns &netns, const PassedStays &stays) override {
    PassedSweep swept = end_passed_in(netns, own_cgroup_, stays);
    ended_plaintext_ += swept.ended.size();
    return swept;
  }

  void detach_pod(std::uint64_t cookie) override {
    remove_inbound(pins_, cookie);
    inbound_.erase(cookie);
  }

  std::vector<std::uint64_t> orphans() const override {
    std::set<std::uint64_t> unclaimed;
    for (const std::uint64_t cookie : steered())
      unclaimed.insert(cookie);
    for (const std::uint64_t cookie : keys_of<std::uint64_t>(programs_.pods.get())) {
      unclaimed.insert(cookie);
    }
    std::erase_if(unclaimed, [this](std::uint64_t cookie) {
      return known_.contains(cookie) || inbound_.contains(cookie);
    });
    return {unclaimed.begin(), unclaimed.end()};
  }

  Result<void, Problem> set_destinations(const Destinations &destinations) override {
    return destinations_.set(destinations);
  }

  PolicyMaps &policies() override { return *policies_; }
  FlowTable flows() const override {
    return FlowTable(programs_.flows.get(), programs_.peers.get());
  }
  Announcer announcer() const override { return Announcer(programs_.sockets.get()); }

  std::vector<std::pair<std::string, std::uint64_t>> events() const override {
    auto all = read_events(programs_.events.get());
    all.emplace_back("ended_plaintext", ended_plaintext_);
    return all;
  }

  std::vector<MapUse> maps() const override {
    const std::uint64_t pods = keys_of<std::uint64_t>(programs_.pods.get()).size();
    std::vector<MapUse> all = {{"pods", pods, options_.pods_max},
                               destinations_.use(),
                               connections("flows", programs_.flows),
                               connections("peers", programs_.peers)};
    std::ranges::copy(policies_->use(), std::back_inserter(all));
    return all;
  }

 private:
  static Result<std::vector<PodListeners>, Problem> listen_in(const PodNetns &netns,
                                                              unsigned threads) {
    const Result<NetnsVisit> visit = NetnsVisit::enter(netns.fd.get());
    if (!visit) {
      return problem_with("pod's network namespace", visit.error().what, visit.error().code,
                          "see whether the pod still runs");
    }
    return open_listeners(threads);
  }

  MapUse connections(const char *name, const UniqueFd &map) const {
    return {name, count_entries<connection_key>(map.get(), options_.flows_max), options_.flows_max};
  }

  // Connections that were in the backlog of a daemon that died: nobody will accept them.
  void sweep_flows(std::uint64_t cookie) const {
    for (const auto &key : keys_of<connection_key>(programs_.flows.get())) {
      if (key.netns_cookie == cookie) ::bpf_map_delete_elem(programs_.flows.get(), &key);
    }
  }

  std::vector<std::uint64_t> steered() const {
    std::vector<std::uint64_t> cookies;
    for (const std::string &link : pins_.links()) {
      if (const auto cookie = inbound_cookie(link)) cookies.push_back(*cookie);
    }
    return cookies;
  }

  Options options_;
  std::uint64_t own_cgroup_;
  std::uint64_t ended_plaintext_ = 0;
  Pins pins_;
  NodePrograms programs_;  // held beside the pins, should someone remove those
  DestinationTable destinations_;
  std::unique_ptr<PolicyTables> policies_;
  std::map<std::uint64_t, Inbound> inbound_;  // by pod; links are held the same way
  std::set<std::uint64_t> known_;  // pods that were set
};

}  // namespace

Result<std::unique_ptr<Capture>, Problem> Capture::create(const Options &options) {
  const Cgroup pods = TRY(open_pods_cgroup(options.cgroup));
  const Cgroup own = TRY(open_own_cgroup(pods));
  Pins pins = TRY(Pins::open(options.bpffs));
  NodePrograms programs = TRY(load_programs(options, pins));
  DestinationTable destinations = TRY(DestinationTable::create(
      std::move(programs.destinations), std::move(programs.settings), options.destinations_max));
  std::unique_ptr<PolicyTables> policies =
      TRY(PolicyTables::create(std::move(programs.policies), options.policies));
  TRY(attach_programs(programs, pins, pods, own));
  return std::make_unique<BpfCapture>(options, own.id, std::move(pins), std::move(programs),
                                      std::move(destinations), std::move(policies));
}

}  // namespace culvert
