// SPDX-License-Identifier: Apache-2.0
// Private to tunnel: whether a peer that owes TCP acknowledgements still gives them.
//
// SO_KEEPALIVE probes only a connection on which nothing is outstanding. TCP_USER_TIMEOUT covers
// the rest, but it also ends a connection whose peer answers every probe of a closed window (linux
// net/ipv4/tcp_timer.c, tcp_probe_timer): a reader that sleeps would cost its connection. So the
// tunnel asks the kernel what it knows instead, once for each period in which it sent.
#pragma once

#include <chrono>
#include <cstdint>

namespace culvert {

enum class Hearing : std::uint8_t {
  answered,  // nothing is outstanding
  waiting,  // something is, and the peer has been heard of
  silent,  // something is, and the peer has answered nothing for `limit`
};

// A socket that cannot be asked has an error of its own, which its reader finds: answered.
Hearing hear(int socket, std::chrono::steady_clock::duration limit);

// SO_ERROR, which it also clears.
int socket_error(int socket);

}  // namespace culvert
