// SPDX-License-Identifier: Apache-2.0
#include "culvert/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "culvert/result.h"

namespace culvert {

namespace {

// Pages of its own: in the heap, small blocks would settle in the place of one that was given back,
// the next one would not fit there, and the heap would grow by a Buffer each time.
Buffer *make_buffer() {
  void *memory =
      mmap(nullptr, sizeof(Buffer), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ENSURE(memory != MAP_FAILED);
  return new (memory) Buffer;  // bytes stay uninitialised: only what is used is ever touched
}

void remove_buffer(Buffer *buffer) { munmap(buffer, sizeof(Buffer)); }

}  // namespace

BufferPool::~BufferPool() {
  ENSURE(taken_ == 0);
  for (Buffer *buffer : free_)
    remove_buffer(buffer);
}

BufferPool::Handle BufferPool::take() {
  ++taken_;
  Buffer *buffer = nullptr;
  if (free_.empty()) {
    buffer = make_buffer();
  } else {
    buffer = free_.back();
    free_.pop_back();
  }
  least_free_ = std::min(least_free_, free_.size());
  buffer->first = buffer->last = 0;
  buffer->run_first = buffer->run_count = 0;
  return {buffer, Return{this}};
}

void BufferPool::give(Buffer *buffer) {
  --taken_;
  if (free_.size() < kept_max) {
    free_.push_back(buffer);
  } else {
    remove_buffer(buffer);
  }
}

void BufferPool::trim() {
  // The last given is the first taken: who was not needed lies at the front.
  const std::size_t unneeded = std::min(least_free_, std::max<std::size_t>(free_.size(), 1) - 1);
  for (std::size_t i = 0; i < unneeded; ++i)
    remove_buffer(free_[i]);
  free_.erase(free_.begin(), free_.begin() + static_cast<std::ptrdiff_t>(unneeded));
  least_free_ = free_.size();
}

}  // namespace culvert
