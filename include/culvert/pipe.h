// SPDX-License-Identifier: Apache-2.0
// pipe: what bulk goes through from socket to socket without being copied to userspace (splice(2)).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "culvert/fd.h"
#include "culvert/report.h"

namespace culvert {

struct Pipe {
  UniqueFd out, in;  // read from `out`, written to `in`; neither blocks
  std::size_t held = 0;  // bytes inside
};

// PipePool: last in, first out, like BufferPool. One per data thread. A pipe is taken when bulk
// begins and given back when it ends; one that still holds bytes is closed, never used again.
class PipePool {
 public:
  static constexpr std::size_t pipe_size = 256 * 1024;
  struct Return {
    PipePool *pool;
    void operator()(Pipe *pipe) const { pool->give(pipe); }
  };
  using Handle = std::unique_ptr<Pipe, Return>;

  explicit PipePool(Counters &its_counters);  // on the thread that uses it: blocks SIGPIPE there
  PipePool(const PipePool &) = delete;
  ~PipePool();
  // Null: too many are taken, or the kernel gives none (EMFILE, pipe-user-pages-soft); do without.
  Handle take();

  Counters &counters;  // where users say what went through: `spliced_bytes`

 private:
  void give(Pipe *pipe);
  static constexpr std::size_t taken_max = 512, kept_max = 8;
  std::vector<std::unique_ptr<Pipe>> free_;
  std::size_t taken_ = 0;
};
using PipeHandle = PipePool::Handle;

}  // namespace culvert
