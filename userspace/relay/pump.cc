// SPDX-License-Identifier: Apache-2.0
#include "pump.h"

#include <fcntl.h>

#include <cerrno>

namespace culvert {

namespace {

constexpr std::size_t turn_size = 1024 * 1024;  // as much as a turn of message mode

// True: the pipe holds bytes now.
bool fill(Pipe &pipe, int source, Pumped &so_far) {
  ssize_t n = 0;
  do {
    n = ::splice(source, nullptr, pipe.in.get(), nullptr, PipePool::pipe_size, SPLICE_F_NONBLOCK);
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    pipe.held = static_cast<std::size_t>(n);
    so_far.taken_bytes += pipe.held;
    return true;
  }
  if (n == 0 || errno == EINVAL || errno == EIO) {
    so_far.stop = Pumped::Stop::no_bulk;
  } else if (errno == EAGAIN) {
    so_far.stop = Pumped::Stop::source_empty;
  } else {
    so_far.stop = Pumped::Stop::source_failed;
    so_far.error = errno;
  }
  return false;
}

// True: the pipe is empty now.
bool drain(Pipe &pipe, int sink, Pumped &so_far) {
  while (pipe.held > 0) {
    const ssize_t n =
        ::splice(pipe.out.get(), nullptr, sink, nullptr, pipe.held, SPLICE_F_NONBLOCK);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const bool full = n < 0 && errno == EAGAIN;
      so_far.stop = full ? Pumped::Stop::sink_full : Pumped::Stop::sink_failed;
      so_far.error = n < 0 ? errno : EPIPE;
      return false;
    }
    pipe.held -= static_cast<std::size_t>(n);
    so_far.given_bytes += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

Pumped pump(Pipe &pipe, int source, int sink) {
  Pumped result;
  if (!drain(pipe, sink, result)) return result;
  while (result.taken_bytes < turn_size) {
    if (!fill(pipe, source, result)) return result;
    const bool little = pipe.held < bulk_splice_min;
    if (!drain(pipe, sink, result)) return result;
    if (little) {
      result.stop = Pumped::Stop::no_bulk;
      return result;
    }
  }
  result.stop = Pumped::Stop::turn_over;
  return result;
}

bool set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

}  // namespace culvert
