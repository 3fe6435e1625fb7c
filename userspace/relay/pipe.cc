// SPDX-License-Identifier: Apache-2.0
#include "culvert/pipe.h"

#include <fcntl.h>
#include <pthread.h>

#include <array>
#include <csignal>

namespace culvert {

// splice(2) to a socket that was reset raises SIGPIPE on kernels before 6.5, and there is no
// MSG_NOSIGNAL for it: with the signal blocked the answer is EPIPE alone.
PipePool::PipePool(Counters &its_counters) : counters(its_counters) {
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
}

PipePool::~PipePool() { ENSURE(taken_ == 0); }

PipePool::Handle PipePool::take() {
  Handle none(nullptr, Return{this});
  if (taken_ == taken_max) return none;
  std::unique_ptr<Pipe> pipe;
  if (free_.empty()) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) return none;
    pipe = std::make_unique<Pipe>(UniqueFd(ends[0]), UniqueFd(ends[1]));
    // A smaller pipe (one page, past the user's limit) would cost more than it saves.
    if (::fcntl(pipe->in.get(), F_SETPIPE_SZ, static_cast<int>(pipe_size)) < 0) return none;
  } else {
    pipe = std::move(free_.back());
    free_.pop_back();
  }
  ++taken_;
  return {pipe.release(), Return{this}};
}

void PipePool::give(Pipe *pipe) {
  std::unique_ptr<Pipe> owned(pipe);
  --taken_;
  if (owned->held == 0 && free_.size() < kept_max) free_.push_back(std::move(owned));
}

}  // namespace culvert
