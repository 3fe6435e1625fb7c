// SPDX-License-Identifier: Apache-2.0
#include "socket_diag.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

#include "netns.h"

namespace culvert {

namespace {

using Bytes = std::span<const std::byte>;

// More than the kernel puts into one datagram of a dump (32 KiB).
constexpr std::size_t receive_bytes = std::size_t{64} << 10;

constexpr std::uint32_t states = 1U << TCP_LISTEN | 1U << TCP_ESTABLISHED | 1U << TCP_FIN_WAIT1 |
                                 1U << TCP_FIN_WAIT2 | 1U << TCP_CLOSE_WAIT;

// {}: it is shorter than that.
template <class T>
T value_at(Bytes bytes) {
  T value{};
  if (bytes.size() >= sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// What comes `size` bytes later, which may be behind the end.
Bytes after(std::size_t size, Bytes bytes) { return bytes.subspan(std::min(size, bytes.size())); }

Endpoint endpoint_of(std::uint8_t family, const __be32 (&address)[4], __be16 port) {
  Endpoint endpoint{{}, ntohs(port)};
  if (family == AF_INET6) {
    std::memcpy(endpoint.ip.bytes.data(), address, sizeof address);
  } else if (address[0] != 0) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = address[0];
    SocketAddress whole;
    std::memcpy(whole.get(), &v4, sizeof v4);
    endpoint.ip = whole.endpoint().ip;
  }
  return endpoint;
}

std::uint64_t cgroup_in(Bytes attributes) {
  while (attributes.size() >= sizeof(rtattr)) {
    const auto head = value_at<rtattr>(attributes);
    if (head.rta_len < sizeof head || head.rta_len > attributes.size()) return 0;
    if (head.rta_type == INET_DIAG_CGROUP_ID)
      return value_at<std::uint64_t>(attributes.subspan(sizeof head));
    attributes = after(RTA_ALIGN(head.rta_len), attributes);
  }
  return 0;
}

TcpSocket socket_of(Bytes message) {
  const auto found = value_at<inet_diag_msg>(message);
  return {endpoint_of(found.idiag_family, found.id.idiag_src, found.id.idiag_sport),
          endpoint_of(found.idiag_family, found.id.idiag_dst, found.id.idiag_dport),
          cgroup_in(after(sizeof found, message)),
          found.idiag_family,
          found.idiag_state,
          found.id};
}

// True: that was the last one.
Result<bool> read_messages(Bytes datagram, std::vector<TcpSocket> &into) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    const auto head = value_at<nlmsghdr>(datagram);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > datagram.size())
      return fail_os("sock_diag", EBADMSG);
    const Bytes body = datagram.subspan(sizeof head, head.nlmsg_len - sizeof head);
    if (head.nlmsg_type == NLMSG_DONE || head.nlmsg_type == NLMSG_ERROR) {
      const auto code = value_at<int>(body);
      if (code != 0) return fail_os("sock_diag", -code);
      return true;
    }
    if (head.nlmsg_type == SOCK_DIAG_BY_FAMILY) into.push_back(socket_of(body));
    datagram = after(NLMSG_ALIGN(head.nlmsg_len), datagram);
  }
  return false;
}

}  // namespace

Result<SocketDiag> SocketDiag::open(int netns_fd) {
  const NetnsVisit visit = TRY(NetnsVisit::enter(netns_fd));
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd < 0) return fail_os("socket of NETLINK_SOCK_DIAG", errno);
  return SocketDiag(UniqueFd(fd));
}

Result<std::vector<TcpSocket>> SocketDiag::sockets() const {
  std::vector<TcpSocket> found;
  for (const int family : {AF_INET, AF_INET6}) {
    inet_diag_req_v2 request{};
    request.sdiag_family = static_cast<std::uint8_t>(family);
    request.sdiag_protocol = IPPROTO_TCP;
    request.idiag_states = states;
    TRY(ask(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request));
    TRY(receive(found));
  }
  return found;
}

Result<> SocketDiag::end(const TcpSocket &socket) const {
  inet_diag_req_v2 request{};
  request.sdiag_family = socket.family;
  request.sdiag_protocol = IPPROTO_TCP;
  request.id = socket.id;
  TRY(ask(SOCK_DESTROY, NLM_F_ACK, request));
  std::vector<TcpSocket> none;
  return receive(none);
}

Result<> SocketDiag::ask(std::uint16_t type, std::uint16_t flags,
                         const inet_diag_req_v2 &request) const {
  struct {
    nlmsghdr head;
    inet_diag_req_v2 request;
  } message{{}, request};
  message.head.nlmsg_len = sizeof message;
  message.head.nlmsg_type = type;
  message.head.nlmsg_flags = NLM_F_REQUEST | flags;
  if (::send(socket_.get(), &message, sizeof message, 0) < 0) return fail_os("sock_diag", errno);
  return {};
}

Result<> SocketDiag::receive(std::vector<TcpSocket> &into) const {
  const auto buffer = std::make_unique<std::byte[]>(receive_bytes);
  for (bool last = false; !last;) {
    const ssize_t size = ::recv(socket_.get(), buffer.get(), receive_bytes, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_os("sock_diag", errno);
    last = TRY(read_messages({buffer.get(), static_cast<std::size_t>(size)}, into));
  }
  return {};
}

}  // namespace culvert
