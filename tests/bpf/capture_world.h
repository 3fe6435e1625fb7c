// SPDX-License-Identifier: Apache-2.0
// capture_world: two pods, a cgroup for them and a bpffs folder, made for one test case and gone
// after it. The test process plays the daemon, in a cgroup of its own. A pod is a network namespace
// with a process in the pods' cgroup that opens sockets and hands them over: a socket keeps the
// cgroup and the namespace of its maker, so that the test may use it as the application would.
//
//   a 10.9.0.1 fd09::1  eth0 ---- veth ---- eth0  b 10.9.0.2 fd09::2
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "culvert/capture.h"

namespace culvert::test {

class Pod {
 public:
  Pod(const std::string &cgroup, const char *ip4, const char *ip6);
  Pod(const Pod &) = delete;
  ~Pod();

  UniqueFd application_socket(int family, int type = SOCK_STREAM) const;  // below the cgroup
  UniqueFd outside_socket(int family, int type = SOCK_STREAM) const;  // ours, in the namespace
  void shell(const std::string &command) const;  // in the namespace; fails the test if it fails

  PodNetns netns;
  PodAddresses addresses;
  pid_t pid;

 private:
  UniqueFd channel_;
};

class World {
 public:
  World();
  ~World();
  std::unique_ptr<Capture> capture();  // create() that must succeed
  // The same with both pods meshed and their addresses as destinations, complete, and a policy set
  // that allows everything.
  std::unique_ptr<Capture> meshed_capture();

  std::string base_cgroup, daemon_cgroup;
  Capture::Options options;
  std::unique_ptr<Pod> a, b;

 private:
  std::string former_cgroup_;
};

// A set that says the same to everyone, added.
std::uint32_t add_simple_set(Capture &capture, culvert_verdict otherwise);

// How an application may name an address: IPv4, IPv6, or IPv4 on an IPv6 socket.
struct Flavour {
  const char *name;
  int family;
  bool mapped;

  Ip of(const Pod &pod) const {
    return family == AF_INET || mapped ? pod.addresses.v4 : pod.addresses.v6;
  }
  UniqueFd &listener(PodListeners &all) const {
    return family == AF_INET || mapped ? all.outbound_v4 : all.outbound_v6;
  }
};
inline constexpr Flavour flavours[] = {
    {"IPv4", AF_INET, false}, {"IPv6", AF_INET6, false}, {"IPv4 on IPv6", AF_INET6, true}};

int family_of(int socket);
int connect_to(int socket, const Endpoint &to);  // 0 or errno; mapped if the socket is IPv6
void bind_to(int socket, const Endpoint &to);  // and listen, if it is a stream
Endpoint name_of(int socket);
Endpoint peer_of(int socket);

struct Accepted {
  UniqueFd fd;
  Endpoint peer;
};
// What takes longer does not happen; a guest under load needs some of it.
constexpr int patience_ms = 10000;
// nullopt after `timeout_ms` without a connection.
std::optional<Accepted> accept_on(int listener, int timeout_ms = patience_ms);

// A socket of the daemon in a pod. (socket_in leaves its thread there, so it gets one of its own.)
UniqueFd daemon_socket(const Pod &pod, int family);

std::uint64_t event(const Capture &capture, const std::string &name);
std::uint64_t entries(const Capture &capture, const std::string &map);
std::string output_of(const std::string &command);
bool eventually(const std::function<bool()> &condition, int timeout_ms = 2 * patience_ms);

}  // namespace culvert::test
