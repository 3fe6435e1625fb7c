// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "capture_world.h"

namespace culvert::test {

namespace {

// As the kernel takes it from a socket of `family`: IPv4 is mapped on an IPv6 socket.
std::pair<sockaddr_storage, socklen_t> raw(int family, const Endpoint &endpoint) {
  sockaddr_storage storage{};
  if (family == AF_INET) {
    const SocketAddress v4(endpoint);
    std::memcpy(&storage, v4.get(), v4.size());
    return {storage, v4.size()};
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  std::memcpy(&v6.sin6_addr, endpoint.ip.bytes.data(), 16);
  std::memcpy(&storage, &v6, sizeof v6);
  return {storage, sizeof v6};
}

}  // namespace

// Any thread: Catch2 counts its assertions for one only.
int family_of(int socket) {
  int family = 0;
  socklen_t size = sizeof family;
  ENSURE(::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0);
  return family;
}

int connect_to(int socket, const Endpoint &to) {
  const auto [address, size] = raw(family_of(socket), to);
  return ::connect(socket, reinterpret_cast<const sockaddr *>(&address), size) == 0 ? 0 : errno;
}

void bind_to(int socket, const Endpoint &to) {
  const auto [address, size] = raw(family_of(socket), to);
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr *>(&address), size) == 0);
  int type = 0;
  socklen_t type_size = sizeof type;
  REQUIRE(::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0);
  if (type == SOCK_STREAM) REQUIRE(::listen(socket, 1024) == 0);
}

Endpoint name_of(int socket) {
  SocketAddress address = SocketAddress::empty();
  REQUIRE(::getsockname(socket, address.get(), address.size_pointer()) == 0);
  return address.endpoint();
}

Endpoint peer_of(int socket) {
  SocketAddress address = SocketAddress::empty();
  REQUIRE(::getpeername(socket, address.get(), address.size_pointer()) == 0);
  return address.endpoint();
}

std::optional<Accepted> accept_on(int listener, int timeout_ms) {
  pollfd ready{listener, POLLIN, 0};
  if (::poll(&ready, 1, timeout_ms) != 1) return std::nullopt;
  SocketAddress peer = SocketAddress::empty();
  const int fd = ::accept4(listener, peer.get(), peer.size_pointer(), SOCK_CLOEXEC);
  if (fd < 0) return std::nullopt;
  return Accepted{UniqueFd(fd), peer.endpoint()};
}

}  // namespace culvert::test
