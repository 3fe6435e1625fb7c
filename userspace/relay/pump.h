// SPDX-License-Identifier: Apache-2.0
// Private to relay: one direction's bytes by splice(2), as far as they go without waiting.
#pragma once

#include <cstddef>

#include "culvert/pipe.h"

namespace culvert {

inline constexpr int bulk_bursts = 3;                    // so many full bursts in a row: splice
inline constexpr std::size_t bulk_burst_size = 64 * 1024;  // what a full burst is, at least
inline constexpr std::size_t bulk_splice_min = 16 * 1024;  // less at once is no bulk any more

struct Pumped {
  enum class Stop {
    turn_over,      // more may be there, but others have their turn
    source_empty,   // the pipe is empty: poll the source for reading
    sink_full,      // the pipe is not: poll the sink for writing
    no_bulk,  // the pipe is empty: little came, or 0, EINVAL, EIO: recvmsg must say what is there
    source_failed,  // the pipe is empty; `error`
    sink_failed,  // `error`
  } stop{};
  std::size_t taken_bytes = 0;  // from the source
  std::size_t given_bytes = 0;  // to the sink
  int error = 0;  // errno
};

// The pipe is drained before it is filled again: the last bytes a source gives are never left
// behind as the beginning of a record that waits for more (MSG_MORE), and kTLS never finds half a
// pipe.
Pumped pump(Pipe &pipe, int source, int sink);

// splice(2) looks at the sockets' own O_NONBLOCK, not only at its flag. False: not to be had.
bool set_nonblocking(int fd);

}  // namespace culvert
