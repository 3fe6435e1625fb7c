// SPDX-License-Identifier: Apache-2.0
// tickets: a client's tickets, after its handshake.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "culvert/handshake.h"
#include "memory.h"

namespace culvert {

// `ssl` has finished its handshake as a client; sessions go into `sessions` under `key`.
std::unique_ptr<Tickets> keep_tickets(bssl::UniquePtr<SSL> ssl, std::shared_ptr<Sessions> sessions,
                                      const Key &key);

}  // namespace culvert
