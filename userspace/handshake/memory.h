// SPDX-License-Identifier: Apache-2.0
// memory: what a data thread keeps between handshakes.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string_view>

#include "culvert/handshake.h"
#include "recent.h"

namespace culvert {

// Sessions to resume. A session is offered again and again, also by several connections at once,
// until a newer ticket takes its place: single use (RFC 8446 C.4) would hide from an observer that
// two connections have the same client, which the tunnel's addresses tell anyway.
using Sessions = Recent<bssl::UniquePtr<SSL_SESSION>>;
inline constexpr std::size_t sessions_max = 4096;
inline constexpr std::size_t chains_max = 4096;

struct HandshakeMemory::State {
  // Shared with Tickets, which may outlive the thread's memory.
  std::shared_ptr<Sessions> sessions = std::make_shared<Sessions>(sessions_max);
  Recent<PeerIdentity> chains{chains_max};
};

// Digest is a SHA-256 over parts whose borders cannot be moved: each is preceded by its length.
class Digest {
 public:
  Digest &add(std::span<const std::uint8_t> part);
  Digest &add(std::string_view part);
  Key key() const { return sha256(bytes_); }

 private:
  Bytes bytes_;
};

}  // namespace culvert
