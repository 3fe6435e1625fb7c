// SPDX-License-Identifier: Apache-2.0
#include "listeners.h"

#include <netinet/tcp.h>

#include "culvert/abi.h"
#include "problem_text.h"

namespace culvert {

namespace {

constexpr int backlog = 4096;  // bounded by net.core.somaxconn of the pod

// Sharing (SO_REUSEPORT) must not let an application's socket in that shares, too. So the first
// look is without: it fails if anyone at all listens.
enum class Sharing { none, threads };

bool set(int socket, int level, int option, int value) {
  return ::setsockopt(socket, level, option, &value, sizeof value) == 0;
}

Result<UniqueFd> bound_socket(const Endpoint &endpoint, Sharing sharing) {
  const SocketAddress address(endpoint);
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return fail_os("socket", errno);
  UniqueFd socket(fd);
  // SO_REUSEADDR: connections of a previous daemon may still be in TIME_WAIT.
  if (!set(fd, SOL_SOCKET, SO_REUSEADDR, 1) || !set(fd, IPPROTO_TCP, TCP_NODELAY, 1) ||
      (sharing == Sharing::threads && !set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
      (address.family() == AF_INET6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))) {
    return fail_os("setsockopt", errno);
  }
  if (::bind(fd, address.get(), address.size()) != 0) return fail_os("bind", errno);
  return socket;
}

// Accepted sockets inherit SO_LINGER: they reset the application unless they end in order.
Result<UniqueFd> listening_socket(const Endpoint &endpoint, Sharing sharing) {
  UniqueFd socket = TRY(bound_socket(endpoint, sharing));
  const linger abort{.l_onoff = 1, .l_linger = 0};
  if (endpoint.port == CULVERT_OUTBOUND_PORT &&
      ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort) != 0) {
    return fail_os("SO_LINGER", errno);
  }
  if (::listen(socket.get(), backlog) != 0) return fail_os("listen", errno);
  return socket;
}

bool has_no_ipv6(const Error &error) {
  return error.code == EADDRNOTAVAIL || error.code == EAFNOSUPPORT;
}

std::unexpected<Problem> explain(const Endpoint &endpoint, const Error &error) {
  return problem_with("pod: listener " + endpoint.text(), error.what, error.code,
                      error.code == EADDRINUSE
                          ? "the port is culvert's: move the application that listens there "
                            "(ss -ltnp in the pod) to another one"
                          : "check that lo is up in the pod's network namespace");
}

Result<void, Problem> open_each(std::vector<PodListeners> &all, UniqueFd PodListeners::*member,
                                const Endpoint &endpoint) {
  if (const Result<UniqueFd> alone = bound_socket(endpoint, Sharing::none); !alone) {
    if (!endpoint.ip.is_v4() && has_no_ipv6(alone.error())) return {};
    return explain(endpoint, alone.error());
  }
  const Sharing sharing = all.size() > 1 ? Sharing::threads : Sharing::none;
  for (PodListeners &listeners : all) {
    Result<UniqueFd> socket = listening_socket(endpoint, sharing);
    if (!socket) return explain(endpoint, socket.error());
    listeners.*member = std::move(*socket);
  }
  return {};
}

}  // namespace

Result<std::vector<PodListeners>, Problem> open_listeners(unsigned threads) {
  std::vector<PodListeners> all(threads);
  const Ip v4 = Ip::loopback_v4(), v6 = Ip::loopback_v6();
  const Ip any_v6;  // bpf/connect6.bpf.c says why; from outside the port is refused (bpf/inbound)
  TRY(open_each(all, &PodListeners::outbound_v4, {v4, CULVERT_OUTBOUND_PORT}));
  TRY(open_each(all, &PodListeners::inbound_v4, {v4, CULVERT_INBOUND_PORT}));
  TRY(open_each(all, &PodListeners::outbound_v6, {any_v6, CULVERT_OUTBOUND_PORT}));
  TRY(open_each(all, &PodListeners::inbound_v6, {v6, CULVERT_INBOUND_PORT}));
  return all;
}

}  // namespace culvert
