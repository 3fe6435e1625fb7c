// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "modes.h"

namespace bench {
namespace {

// Peer is a listener or one accepted connection.
struct Peer {
  UniqueFd fd;
  Service service;
  bool listener = false;
  std::uint64_t received = 0;
};

// Answers are small; should one not fit, the client is not reading and we may wait for it.
bool send_all(int fd, std::span<const char> data) {
  while (!data.empty()) {
    ssize_t count = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN) return false;
    if (count < 0) {
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    data = data.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

void accept_all(const Peer &listener, Poller &poller) {
  for (;;) {
    int fd = ::accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && errno == EAGAIN) return;
    if (fd < 0 && errno == ECONNABORTED) continue;
    if (fd < 0) die("accept");
    if (listener.service != Service::sink) set_nodelay(fd);
    poller.add(fd, EPOLLIN, new Peer{UniqueFd(fd), listener.service});
  }
}

// False once the connection is over, in whatever way: a client that goes away is no failure.
bool serve_turn(Peer &peer, std::span<char> buffer) {
  ssize_t count = ::recv(peer.fd.get(), buffer.data(), buffer.size(), 0);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  peer.received += static_cast<std::uint64_t>(count);
  if (peer.service == Service::sink) {
    if (count > 0) return true;
    send_all(peer.fd.get(), {reinterpret_cast<char *>(&peer.received), sizeof(peer.received)});
    return false;
  }
  return count > 0 && send_all(peer.fd.get(), buffer.first(static_cast<std::size_t>(count)));
}

}  // namespace

void serve(std::uint16_t base) {
  Poller poller;
  std::vector<char> buffer(256 * 1024);
  for (std::uint16_t index = 0; index < services; ++index) {
    auto port = static_cast<std::uint16_t>(base + index);
    auto *listener = new Peer{listen_on(port), static_cast<Service>(index), true};
    poller.add(listener->fd.get(), EPOLLIN, listener);
  }
  for (;;) {
    for (const epoll_event &event : poller.wait(-1)) {
      auto *peer = static_cast<Peer *>(event.data.ptr);
      if (peer->listener) {
        accept_all(*peer, poller);
      } else if (!serve_turn(*peer, buffer)) {
        delete peer;  // closing takes it out of the poller; one event for each fd and wait
      }
    }
  }
}

}  // namespace bench
