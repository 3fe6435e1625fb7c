// SPDX-License-Identifier: Apache-2.0
#include "silence.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace culvert {

namespace {

// Probes of a closed window that may be without an answer: the kernel doubles their distance while
// the window stays closed, so the time since the last answer alone says nothing.
constexpr unsigned probes_max = 3;

}  // namespace

Hearing hear(int socket, std::chrono::steady_clock::duration limit) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return Hearing::answered;
  if (info.tcpi_unacked == 0 && info.tcpi_notsent_bytes == 0) return Hearing::answered;
  const bool heard = std::chrono::milliseconds(info.tcpi_last_ack_recv) < limit;
  const bool answers =
      info.tcpi_unacked > 0 ? info.tcpi_retransmits == 0 : info.tcpi_probes < probes_max;
  return heard || answers ? Hearing::waiting : Hearing::silent;
}

int socket_error(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  (void)::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

}  // namespace culvert
