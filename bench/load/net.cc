// SPDX-License-Identifier: Apache-2.0
#include "net.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {

void die(const std::string &step) {
  std::fprintf(stderr, "bench_load: %s: %s\n", step.c_str(), std::strerror(errno));
  std::exit(1);
}

namespace {

void set_option(int fd, int level, int name, int value) {
  if (::setsockopt(fd, level, name, &value, sizeof(value)) < 0) die("setsockopt");
}

socklen_t parse(const Target &target, std::uint16_t port, sockaddr_storage &out) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo *found = nullptr;
  if (::getaddrinfo(target.address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    errno = EINVAL;
    die("address " + target.address);
  }
  socklen_t size = found->ai_addrlen;
  std::memcpy(&out, found->ai_addr, size);
  ::freeaddrinfo(found);
  return size;
}

}  // namespace

UniqueFd listen_on(std::uint16_t port) {
  int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  UniqueFd listener(fd);
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  any.sin6_port = htons(port);
  if (::bind(fd, reinterpret_cast<sockaddr *>(&any), sizeof(any)) < 0) die("bind");
  if (::listen(fd, 4096) < 0) die("listen");
  return listener;
}

UniqueFd start_connect(const Target &target, Service service) {
  sockaddr_storage address{};
  auto port = static_cast<std::uint16_t>(target.base + static_cast<std::uint16_t>(service));
  socklen_t size = parse(target, port, address);
  int fd = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  UniqueFd connection(fd);
  if (::connect(fd, reinterpret_cast<sockaddr *>(&address), size) < 0 && errno != EINPROGRESS) {
    die("connect");
  }
  return connection;
}

void finish_connect(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) die("getsockopt");
  if (error != 0) {
    errno = error;
    die("connect");
  }
}

UniqueFd connect_now(const Target &target, Service service) {
  UniqueFd connection = start_connect(target, service);
  pollfd ready{connection.get(), POLLOUT, 0};
  int count = ::poll(&ready, 1, 10'000);
  if (count == 0) errno = ETIMEDOUT;
  if (count <= 0) die("connect");
  finish_connect(connection.get());
  return connection;
}

void set_nodelay(int fd) { set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); }

std::size_t send_some(int fd, std::span<const char> data) {
  ssize_t count = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
  if (count >= 0) return static_cast<std::size_t>(count);
  if (errno != EAGAIN && errno != EINTR) die("send");
  return 0;
}

std::size_t receive_some(int fd, std::span<char> data) {
  ssize_t count = ::recv(fd, data.data(), data.size(), 0);
  if (count > 0) return static_cast<std::size_t>(count);
  if (count == 0) errno = ECONNABORTED;
  if (errno != EAGAIN && errno != EINTR) die("receive");
  return 0;
}

Poller::Poller() {
  int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) die("epoll_create1");
  epoll_ = UniqueFd(fd);
}

void Poller::add(int fd, std::uint32_t events, void *owner) {
  epoll_event event{.events = events, .data = {.ptr = owner}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

void Poller::change(int fd, std::uint32_t events, void *owner) {
  epoll_event event{.events = events, .data = {.ptr = owner}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0) die("epoll_ctl");
}

std::span<epoll_event> Poller::wait(int timeout_ms) {
  int count =
      ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), timeout_ms);
  if (count < 0 && errno != EINTR) die("epoll_wait");
  return std::span(events_).first(count < 0 ? 0 : static_cast<std::size_t>(count));
}

}  // namespace bench
