// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "outbox.h"

namespace culvert {

std::span<iovec> run_storage() {
  thread_local std::array<iovec, Buffer::runs_max> storage;
  return storage;
}

Result<std::unique_ptr<Records>> Records::create(const UniqueFd &socket, const TrafficKeys &send,
                                                 const TrafficKeys &receive, const Options &options,
                                                 BufferPool &pool) {
  if (options.engine == RecordEngine::kernel) {
    return create_kernel_records(socket.get(), send, receive, options, pool);
  }
  return create_user_records(socket.get(), send, receive, options, pool);
}

}  // namespace culvert
