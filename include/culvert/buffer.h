// SPDX-License-Identifier: Apache-2.0
// buffer: where bursts lie while they are in flight. Part of the ring room.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace culvert {

// Buffer holds one burst: 16 records with their gaps. Taken while bytes are in flight, never by an
// idle connection.
struct Buffer {
  static constexpr std::size_t record = 16384;
  static constexpr std::size_t gap = 22;  // header 5, inner type 1, tag 16
  static constexpr std::size_t size = 16 * (record + gap);
  static constexpr std::size_t runs_max = 32;

  std::size_t first = 0, last = 0;  // bytes of interest, as the holder means them
  std::size_t run_first = 0, run_count = 0;
  std::array<iovec, runs_max> runs;  // pieces still to be written, where the holder needs them
  std::uint8_t bytes[size];
};

// BufferPool: last in, first out, so that the hot one is used again. One per data thread.
class BufferPool {
 public:
  struct Return {
    BufferPool *pool;
    void operator()(Buffer *buffer) const { pool->give(buffer); }
  };
  using Handle = std::unique_ptr<Buffer, Return>;

  ~BufferPool();
  Handle take();
  // Gives back the memory that was not needed since the last time, keeps one.
  void trim();
  std::size_t free() const { return free_.size(); }
  std::size_t taken() const { return taken_; }

 private:
  void give(Buffer *buffer);
  static constexpr std::size_t kept_max = 8;
  std::vector<Buffer *> free_;
  std::size_t least_free_ = 0;  // since the last trim()
  std::size_t taken_ = 0;
};
using BufferHandle = BufferPool::Handle;

}  // namespace culvert
