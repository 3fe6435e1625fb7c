// SPDX-License-Identifier: Apache-2.0
// modes: what the load generator can do. One thread each, epoll, the same code for every peer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "measure.h"
#include "net.h"

namespace bench {

// Serves every Service at base, base + 1, … until it is killed.
[[noreturn]] void serve(std::uint16_t base);

// `streams` connections write `size` bytes at a time to the sink as fast as they may. Afterwards
// the sink's counts must equal what was sent. Units: bytes.
void run_bulk(const Target &target, std::size_t streams, std::size_t size,
              Measurement &measurement);

// `connections` connections each send `size` bytes and wait for them to come back. Units: round
// trips, timed.
void run_requests(const Target &target, std::size_t connections, std::size_t size,
                  Measurement &measurement);

// `in_flight` at a time: connect, one byte there and back, close. Units: connections, timed from
// connect to the byte's return.
void run_connects(const Target &target, Service service, std::size_t in_flight,
                  Measurement &measurement);

// Opens `connections` connections, one byte there and back on each, prints "ready" and holds them
// until standard input ends.
void run_idle(const Target &target, std::size_t connections);

}  // namespace bench
