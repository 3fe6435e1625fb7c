// SPDX-License-Identifier: Apache-2.0
// The kernel does not say how a connection came. One passed the daemon by if it is an application's
// and inbound (somebody in the pod listens on its port), and comes from outside the pod: the daemon
// connects to applications from the pod's own address, whatever they are told of the client.
#include "passed.h"

#include <netinet/tcp.h>

#include <set>

#include "problem_text.h"
#include "socket_diag.h"

namespace culvert {

namespace {

bool is_own_connection(const TcpSocket &socket) {  // as bpf/inbound.bpf.c has it
  return socket.local.ip.is_loopback() || socket.remote.ip.is_loopback() ||
         socket.local.ip == socket.remote.ip;
}

std::vector<TcpSocket> passed_among(const std::vector<TcpSocket> &sockets,
                                    std::uint64_t own_cgroup) {
  std::set<std::uint16_t> listening;
  for (const TcpSocket &socket : sockets) {
    if (socket.state == TCP_LISTEN && socket.cgroup != own_cgroup)
      listening.insert(socket.local.port);
  }
  std::vector<TcpSocket> passed;
  for (const TcpSocket &socket : sockets) {
    if (socket.state != TCP_LISTEN && socket.cgroup != own_cgroup && !is_own_connection(socket) &&
        listening.contains(socket.local.port))
      passed.push_back(socket);
  }
  return passed;
}

Result<PassedSweep> sweep(const PodNetns &netns, std::uint64_t own_cgroup,
                          const PassedStays &stays) {
  const SocketDiag diag = TRY(SocketDiag::open(netns.fd.get()));
  PassedSweep swept;
  for (const TcpSocket &socket : passed_among(TRY(diag.sockets()), own_cgroup)) {
    const PassedConnection connection{socket.remote, socket.local};
    if (stays(connection)) {
      ++swept.left;
      continue;
    }
    const Result<> ended = diag.end(socket);
    if (!ended && ended.error().code == ENOENT) continue;
    TRY(ended);
    swept.ended.push_back(connection);
  }
  return swept;
}

}  // namespace

Result<PassedSweep, Problem> end_passed_in(const PodNetns &netns, std::uint64_t own_cgroup,
                                           const PassedStays &stays) {
  Result<PassedSweep> swept = sweep(netns, own_cgroup, stays);
  if (swept) return std::move(*swept);
  return problem_with("plaintext connections of a pod", swept.error().what, swept.error().code,
                      "the kernel needs tcp_diag and CONFIG_INET_DIAG_DESTROY to end those that a "
                      "stricter mode refuses; until they end by themselves they go on");
}

}  // namespace culvert
