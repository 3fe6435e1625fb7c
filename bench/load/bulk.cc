// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include "modes.h"

namespace bench {
namespace {

struct Stream {
  UniqueFd fd;
  std::uint64_t sent = 0;
};

// One turn of a stream: as an application would, it writes until the socket is full, but not
// longer than a turn, so that streams share the thread.
void write_turn(Stream &stream, std::span<const char> piece, Measurement &measurement) {
  constexpr std::size_t turn_bytes = 256 * 1024;
  for (std::size_t moved = 0; moved < turn_bytes;) {
    std::size_t count = send_some(stream.fd.get(), piece);
    stream.sent += count;
    moved += count;
    measurement.count(count);
    if (count < piece.size()) return;
  }
}

// Nothing may be lost: the sink's count is what we sent.
void check_count(Stream &stream) {
  if (::shutdown(stream.fd.get(), SHUT_WR) < 0) die("shutdown");
  std::uint64_t counted = 0;
  std::span<char> answer(reinterpret_cast<char *>(&counted), sizeof(counted));
  while (!answer.empty()) {
    pollfd ready{stream.fd.get(), POLLIN, 0};
    int count = ::poll(&ready, 1, 30'000);
    if (count == 0) errno = ETIMEDOUT;
    if (count <= 0) die("wait for the sink's count");
    answer = answer.subspan(receive_some(stream.fd.get(), answer));
  }
  if (counted != stream.sent) {
    std::fprintf(stderr, "bench_load: sent %llu bytes, the sink counted %llu\n",
                 static_cast<unsigned long long>(stream.sent),
                 static_cast<unsigned long long>(counted));
    std::exit(1);
  }
}

}  // namespace

void run_bulk(const Target &target, std::size_t streams, std::size_t size,
              Measurement &measurement) {
  std::vector<char> piece(size, 'b');
  std::deque<Stream> open;
  Poller poller;
  for (std::size_t index = 0; index < streams; ++index) {
    Stream &stream = open.emplace_back(connect_now(target, Service::sink));
    poller.add(stream.fd.get(), EPOLLOUT, &stream);
  }
  while (!measurement.over()) {
    for (const epoll_event &event : poller.wait(10)) {
      write_turn(*static_cast<Stream *>(event.data.ptr), piece, measurement);
    }
  }
  for (Stream &stream : open)
    check_count(stream);
}

}  // namespace bench
