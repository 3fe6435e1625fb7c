// SPDX-License-Identifier: Apache-2.0
// socket_diag: the TCP sockets of a network namespace, listed and ended (linux/inet_diag.h,
// net/ipv4/inet_diag.c; tcp_abort() in net/ipv4/tcp.c).
#pragma once

#include <linux/inet_diag.h>

#include <cstdint>
#include <vector>

#include "culvert/address.h"
#include "culvert/fd.h"
#include "culvert/result.h"

namespace culvert {

struct TcpSocket {
  Endpoint local, remote;  // remote: {} of a listener
  std::uint64_t cgroup = 0;  // cgroup2's id of whoever made it
  std::uint8_t family = 0, state = 0;  // AF_*, TCP_*
  inet_diag_sockid id{};
};

class SocketDiag {
 public:
  // os/ENOENT, later: the kernel has no tcp_diag. Control thread only: it visits the namespace.
  static Result<SocketDiag> open(int netns_fd);

  // Of both families: listeners, and connections over which something may still come or go. Not of
  // one moment: a socket made meanwhile may be missing.
  Result<std::vector<TcpSocket>> sockets() const;
  // The application's next call says ECONNABORTED, the other side gets RST. os/ENOENT: gone
  // already; os/EOPNOTSUPP: the kernel has no CONFIG_INET_DIAG_DESTROY.
  Result<> end(const TcpSocket &socket) const;

 private:
  explicit SocketDiag(UniqueFd socket) : socket_(std::move(socket)) {}
  Result<> ask(std::uint16_t type, std::uint16_t flags, const inet_diag_req_v2 &request) const;
  Result<> receive(std::vector<TcpSocket> &into) const;

  UniqueFd socket_;
};

}  // namespace culvert
