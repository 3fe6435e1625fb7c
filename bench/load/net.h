// SPDX-License-Identifier: Apache-2.0
// net: the few socket calls of the load generator. Every failure ends the program with one line
// that names the step: a measurement with a failed connection in it is no measurement.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "culvert/fd.h"

namespace bench {

using culvert::UniqueFd;

// Prints "bench_load: STEP: strerror(errno)" and exits with 1.
[[noreturn]] void die(const std::string &step);

// The services of the server, each on its own port: base + service.
enum class Service : std::uint16_t {
  echo,        // sends back what it gets
  sink,        // reads to the end of stream, then answers with the count (8 bytes, host order)
  echo_fresh,  // echo once more: a peer may treat this port differently (no TLS resumption)
};
inline constexpr std::uint16_t services = 3;

struct Target {
  std::string address;  // IPv4 or IPv6, numeric
  std::uint16_t base;
};

UniqueFd listen_on(std::uint16_t port);

// Starts a non-blocking connect; it is finished (or failed: `finish_connect`) when writable.
UniqueFd start_connect(const Target &target, Service service);
void finish_connect(int fd);
UniqueFd connect_now(const Target &target, Service service);  // waits until it is established

void set_nodelay(int fd);  // request/response only; bulk keeps Nagle, the default of applications

// What one non-blocking call moved; 0: would block. End of stream and errors die, since no peer
// of the load generator ends a connection before it.
std::size_t send_some(int fd, std::span<const char> data);
std::size_t receive_some(int fd, std::span<char> data);

// Poller is a level-triggered epoll whose events carry a pointer.
class Poller {
 public:
  Poller();
  void add(int fd, std::uint32_t events, void *owner);
  void change(int fd, std::uint32_t events, void *owner);
  std::span<epoll_event> wait(int timeout_ms);

 private:
  UniqueFd epoll_;
  std::array<epoll_event, 64> events_{};
};

}  // namespace bench
