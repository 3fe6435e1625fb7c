// SPDX-License-Identifier: Apache-2.0
// Private to session: sockets as sessions need them.
#pragma once

#include <chrono>

#include "culvert/address.h"
#include "culvert/capture.h"
#include "culvert/fd.h"
#include "culvert/result.h"
#include "culvert/tunnel.h"

namespace culvert {

// Where a pod's own inbound listener is, of the family of `ip`.
Endpoint own_inbound_listener(const Ip &ip);
Result<UniqueFd> tunnel_socket(const PodNetns &netns, const Endpoint &to,
                               std::chrono::seconds keepalive);
Result<UniqueFd> application_socket(const PodNetns &netns, const Endpoint &to);
void set_keepalive(const UniqueFd &socket, std::chrono::seconds idle);
std::chrono::seconds silence_limit(std::chrono::seconds idle);  // until a vanished node is noticed
void push(const Tunnel &tunnel);  // what MSG_MORE held back leaves now
Endpoint peer_of(const UniqueFd &socket);
Endpoint local_of(const UniqueFd &socket);
void close_with_reset(UniqueFd socket);

}  // namespace culvert
