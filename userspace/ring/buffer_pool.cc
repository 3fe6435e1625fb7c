// SPDX-License-Identifier: Apache-2.0
#include "culvert/buffer.h"

#include "culvert/result.h"

namespace culvert {

BufferPool::~BufferPool() {
  ENSURE(taken_ == 0);
  for (Buffer *buffer : free_)
    delete buffer;
}

BufferPool::Handle BufferPool::take() {
  ++taken_;
  Buffer *buffer = nullptr;
  if (free_.empty()) {
    buffer = new Buffer;  // bytes stay uninitialised: only what is used is ever touched
  } else {
    buffer = free_.back();
    free_.pop_back();
  }
  buffer->first = buffer->last = 0;
  buffer->run_first = buffer->run_count = 0;
  return {buffer, Return{this}};
}

void BufferPool::give(Buffer *buffer) {
  --taken_;
  if (free_.size() < kept_max) {
    free_.push_back(buffer);
  } else {
    delete buffer;
  }
}

void BufferPool::trim() {
  while (free_.size() > 1) {
    delete free_.back();
    free_.pop_back();
  }
}

}  // namespace culvert
