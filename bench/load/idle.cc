// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "modes.h"

namespace bench {
namespace {

void exchange_byte(int fd) {
  const char request = 'i';
  char answer;
  if (send_some(fd, {&request, 1}) != 1) die("send one byte");
  pollfd ready{fd, POLLIN, 0};
  int count = ::poll(&ready, 1, 10'000);
  if (count == 0) errno = ETIMEDOUT;
  if (count <= 0) die("wait for the byte");
  if (receive_some(fd, {&answer, 1}) != 1 || answer != request) die("receive one byte");
}

}  // namespace

void run_idle(const Target &target, std::size_t connections) {
  // A few at a time, as load comes in life; a burst would measure the peak of the handshakes.
  constexpr std::size_t group = 8;
  std::vector<UniqueFd> open;
  while (open.size() < connections) {
    std::size_t first = open.size();
    std::size_t last = std::min(first + group, connections);
    while (open.size() < last)
      open.push_back(start_connect(target, Service::echo));
    for (std::size_t index = first; index < last; ++index) {
      pollfd ready{open[index].get(), POLLOUT, 0};
      if (::poll(&ready, 1, 10'000) != 1) die("connect");
      finish_connect(open[index].get());
    }
    for (std::size_t index = first; index < last; ++index)
      exchange_byte(open[index].get());
  }
  std::printf("ready\n");
  std::fflush(stdout);
  char ignored;
  while (::read(STDIN_FILENO, &ignored, 1) > 0) {
  }
}

}  // namespace bench
