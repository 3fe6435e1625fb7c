// SPDX-License-Identifier: Apache-2.0
// The kernel does not say how a connection came. One passed the daemon by if it is an application's
// and inbound (somebody in the pod listens on its port), and comes from outside the pod: the daemon
// connects to applications from the pod's own address, whatever they are told of the client.
#include "passed.h"

#include <netinet/tcp.h>

#include <set>
#include <span>

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

// Of several errors the last is told: they have one cause, mostly.
Result<> end_all(const SocketDiag &diag, std::span<const TcpSocket> sockets,
                 const PassedStays &stays, PassedSweep &swept) {
  Result<> outcome;
  for (const TcpSocket &socket : sockets) {
    const PassedConnection connection{socket.remote, socket.local};
    if (stays(connection)) {
      ++swept.left;
    } else if (const Result<> ended = diag.end(socket); ended) {
      swept.ended.push_back(connection);
    } else if (ended.error().code != ENOENT) {  // that one ended by itself
      ++swept.left;
      outcome = ended;
    }
  }
  return outcome;
}

Result<> sweep(const PodNetns &netns, std::uint64_t own_cgroup, const PassedStays &stays,
               PassedSweep &swept) {
  const SocketDiag diag = TRY(SocketDiag::open(netns.fd.get()));
  return end_all(diag, passed_among(TRY(diag.sockets()), own_cgroup), stays, swept);
}

}  // namespace

PassedSweep end_passed_in(const PodNetns &netns, std::uint64_t own_cgroup,
                          const PassedStays &stays) {
  PassedSweep swept;
  const Result<> outcome = sweep(netns, own_cgroup, stays, swept);
  if (outcome) return swept;
  swept.problem =
      problem_with("plaintext connections of a pod", outcome.error().what, outcome.error().code,
                   "the kernel needs tcp_diag and CONFIG_INET_DIAG_DESTROY to end those that a "
                   "stricter mode refuses; until they end by themselves they go on")
          .error();
  return swept;
}

}  // namespace culvert
