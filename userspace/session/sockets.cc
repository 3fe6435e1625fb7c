// SPDX-License-Identifier: Apache-2.0
// All are blocking: the ring waits for us, and our own calls carry MSG_DONTWAIT.
#include "sockets.h"

#include <netinet/tcp.h>

#include <cerrno>

namespace culvert {

namespace {

void set_option(const UniqueFd &socket, int level, int option, int value) {
  (void)setsockopt(socket.get(), level, option, &value, sizeof value);
}

// A vanished node is noticed after the idle time and this many probes; while data are in flight,
// after the same time without an answer (tunnel/silence.h).
constexpr int probes = 3;
int probe_interval(int idle_seconds) { return std::max(1, idle_seconds / probes); }

void set_reset_on_close(const UniqueFd &socket) {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

}  // namespace

void set_keepalive(const UniqueFd &socket, std::chrono::seconds idle) {
  const int seconds = static_cast<int>(idle.count());
  const int interval = probe_interval(seconds);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, interval);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, probes);
}

std::chrono::seconds silence_limit(std::chrono::seconds idle) {
  return idle + probes * std::chrono::seconds(probe_interval(static_cast<int>(idle.count())));
}

Endpoint own_inbound_listener(const Ip &ip) {
  constexpr std::uint16_t inbound_port = 15006;  // abi.h: CULVERT_INBOUND_PORT
  return {ip.is_v4() ? Ip::loopback_v4() : Ip::loopback_v6(), inbound_port};
}

Result<UniqueFd> tunnel_socket(const PodNetns &netns, const Endpoint &to,
                               std::chrono::seconds keepalive) {
  UniqueFd socket = TRY(socket_in(netns, to.ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM));
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_keepalive(socket, keepalive);
  return socket;
}

Result<UniqueFd> application_socket(const PodNetns &netns, const Endpoint &to) {
  UniqueFd socket = TRY(socket_in(netns, to.ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM));
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_reset_on_close(socket);  // until a clean end: a dying daemon must not look like one
  return socket;
}

void push(const Tunnel &tunnel) {
  const int on = 1;  // tcp(7): setting TCP_NODELAY flushes what waits
  (void)setsockopt(tunnel.socket(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Endpoint peer_of(const UniqueFd &socket) {
  SocketAddress address;
  if (::getpeername(socket.get(), address.get(), address.size_pointer()) != 0) return {};
  return address.endpoint();
}

Endpoint local_of(const UniqueFd &socket) {
  SocketAddress address;
  if (::getsockname(socket.get(), address.get(), address.size_pointer()) != 0) return {};
  return address.endpoint();
}

void close_with_reset(UniqueFd socket) { set_reset_on_close(socket); }

}  // namespace culvert
