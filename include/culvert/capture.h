// SPDX-License-Identifier: Apache-2.0
// capture: BPF programs and maps of one node, and the sockets inside its pods.
//
//   create      load, pin under bpffs, attach to the pods' cgroup and to our own: what a previous
//               daemon pinned is taken over; programs are replaced by one atomic link update each,
//               so that there is no moment without them
//   set_pod     the kernel knows the pod (by netns cookie) and its policy set, both at once; a
//   plain
//               pod is never captured
//   attach_pod  listeners inside the pod, sk_lookup on its namespace
//   destinations, flows, announcements, policies: the rest of abi.h, typed
//
// Control thread only, but for FlowTable and announce(), which are system calls without state and
// may be used by any thread. The only room that uses libbpf.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "culvert/address.h"
#include "culvert/fd.h"
#include "culvert/policy_maps.h"
#include "culvert/result.h"

namespace culvert {

// PodNetns is an open network namespace; `cookie` is SO_NETNS_COOKIE, unique while the machine
// runs.
struct PodNetns {
  UniqueFd fd;
  std::uint64_t cookie = 0;
};

// Opens a namespace by path (/run/netns/NAME, /proc/PID/ns/net). Problem: names the path and cause;
// also when it is not a network namespace or is the daemon's own.
Result<PodNetns, Problem> open_netns(const std::string &path);

// Runs socket(family, type, 0) inside `netns` (setns, socket). The calling thread remembers where
// it is and stays there: the next call for the same namespace costs no setns. Data threads only,
// which have nothing to do in the daemon's own namespace: the thread must not setns(2) otherwise.
Result<UniqueFd> socket_in(const PodNetns &netns, int family, int type);

// Takes the calling thread back to where it was before its first socket_in(): a thread inside a
// namespace keeps it alive. Call it when pods go.
void leave_netns();

struct PodAddresses {
  Ip v4{}, v6{};  // unspecified: none
};

// Listening sockets of one data thread in one pod. Sockets are blocking (io_uring waits for us),
// TCP_NODELAY is set; outbound listeners carry SO_LINGER {1, 0}, inherited by what they accept.
// SO_REUSEPORT: one set per data thread.
struct PodListeners {
  // v6 ones are empty where the pod has no IPv6.
  UniqueFd outbound_v4, outbound_v6;  // 127.0.0.1:15001, [::]:15001
  UniqueFd inbound_v4, inbound_v6;  // 127.0.0.1:15006, [::1]:15006; only sk_lookup leads here
};

// Whether the daemon may reach a pod's applications for a client that proved no identity: only
// where some port of the pod is not STRICT. Which one is the daemon's business.
enum class Plaintext : std::uint8_t { refused, taken };

// Which inbound connections of a pod the kernel hands to the daemon; the others go straight to the
// application. What is not said is `all`.
enum class Steer : std::uint8_t {
  all,
  meshed,  // only what comes from the address of a meshed workload: the rest can be no tunnel
  none,
};
struct InboundSteering {
  struct Port {
    std::uint16_t port = 0;  // host order
    Steer steer{};
    bool operator==(const Port &) const = default;
  };
  Steer everywhere = Steer::all;
  std::vector<Port> ports;  // by port
  std::vector<std::uint16_t> probe_ports;  // straight to the application from `node_ips`
  std::vector<Ip> node_ips;  // the node's own addresses, as the pod sees them
  bool operator==(const InboundSteering &) const = default;
};

// FlowTable: where a captured connection wanted to go. Keyed by the application's own address.
class FlowTable {
 public:
  FlowTable(int map_fd, int peers_fd) : map_fd_(map_fd), peers_fd_(peers_fd) {}
  // Takes (looks up and deletes). os/ENOENT: not a captured connection: refuse it.
  Result<Endpoint> take(std::uint64_t netns_cookie, const Endpoint &application) const;
  // What the daemon announced of its own socket `from`, connected to its own inbound listener `to`:
  // a pod that reaches itself through a Service. os/ENOENT: somebody else's socket: refuse it.
  Result<Endpoint> take_announced(std::uint64_t netns_cookie, const Endpoint &from,
                                  const Endpoint &to) const;

 private:
  int map_fd_, peers_fd_;
};

// Announcer: before connect(2) of `socket` to an application, say whom the application is to see
// and who that is: without it the kernel refuses to connect to an application at all (EPERM), as it
// does where the pod's policy set denies it.
class Announcer {
 public:
  explicit Announcer(int map_fd) : map_fd_(map_fd) {}
  Result<> announce(int socket, const Endpoint &client, std::uint32_t identity) const;

 private:
  int map_fd_;
};

// An inbound connection that reached an application of the pod without the daemon.
struct PassedConnection {
  Endpoint client, application;
};
using PassedStays = std::function<bool(const PassedConnection &)>;
struct PassedSweep {
  std::vector<PassedConnection> ended;
  std::size_t left = 0;  // others that there are
  std::optional<Problem> problem;  // some could not be found, or not ended
};

struct MapUse {
  std::string name;
  std::uint64_t entries, capacity;
};

class Capture {
 public:
  struct Options {
    std::string cgroup;  // pods live below it; must not hold the daemon itself
    std::string bpffs;  // pins: maps/ and links/; made (and bpffs mounted) if absent
    std::uint32_t destinations_max = 262144;
    std::uint32_t pods_max = 1024;
    std::uint32_t flows_max = 131072;  // more than the connections the daemon may hold at once
    PolicyMapSizes policies{};
  };
  static Result<std::unique_ptr<Capture>, Problem> create(const Options &options);
  virtual ~Capture() = default;

  // One update of the pod's entry: whoever reads it sees all of the old one or all of this.
  // policy_set 0: nothing may connect to its applications.
  virtual Result<void, Problem> set_pod(const PodNetns &netns, const PodAddresses &addresses,
                                        bool meshed, std::uint32_t policy_set,
                                        Plaintext plaintext = Plaintext::refused) = 0;
  virtual void forget_pod(std::uint64_t cookie) = 0;

  // Opens the listeners of `threads` data threads and steers the pod's inbound connections to
  // them. Problem: an application already listens on a reserved port, the namespace is gone, ...;
  // the pod's inbound connections are refused then, if they can be steered at all.
  virtual Result<std::vector<PodListeners>, Problem> attach_pod(const PodNetns &netns,
                                                                unsigned threads) = 0;
  // After attach_pod, which steers everything, as the kernel also does while the difference is
  // being written. Problem: it does not fit; everything is steered then.
  virtual Result<void, Problem> steer(std::uint64_t cookie, const InboundSteering &steering) = 0;
  // Ends, as a reset would, those inbound connections that pass the daemon by for which `stays`
  // says no. One that is being opened at this moment may be missed: ask again.
  virtual PassedSweep end_passed(const PodNetns &netns, const PassedStays &stays) = 0;
  // Stops steering inbound connections (the pod left the mesh or is gone) and removes the pins.
  virtual void detach_pod(std::uint64_t cookie) = 0;
  // Pods that a previous daemon knew and that have been neither set nor attached since. Once every
  // pod of a snapshot is set they are stale: detach_pod and forget_pod them.
  virtual std::vector<std::uint64_t> orphans() const = 0;

  // Makes the destinations map hold exactly these (difference only) and says that it is complete.
  // Problem: the map is full; it is marked incomplete then, so that a destination that is not in it
  // is refused and never reached in clear.
  struct Destinations {
    std::vector<Ip> workloads;
    std::vector<Endpoint> services;
    // Reached in plaintext because desired state says so (mode DISABLE), so passed untouched; they
    // come before `workloads`, and all else before them. Port 0: every port of a meshed workload
    // that `protected_ports` does not have.
    std::vector<Endpoint> in_clear{};
    std::vector<Endpoint> protected_ports{};  // captured though their workload is in_clear
  };
  virtual Result<void, Problem> set_destinations(const Destinations &destinations) = 0;

  virtual PolicyMaps &policies() = 0;
  virtual FlowTable flows() const = 0;
  virtual Announcer announcer() const = 0;

  // What the programs, and end_passed, counted: name as in the metrics ("captured",
  // "refused_flows_full"), value.
  virtual std::vector<std::pair<std::string, std::uint64_t>> events() const = 0;
  virtual std::vector<MapUse> maps() const = 0;
};

}  // namespace culvert
