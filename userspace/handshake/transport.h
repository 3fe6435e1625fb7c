// SPDX-License-Identifier: Apache-2.0
// transport: what libssl takes for its socket: bytes given, bytes to be sent.
#pragma once

#include <openssl/bio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "culvert/crypto.h"

namespace culvert {

// libssl asks for a record's five header bytes and then for exactly its body, so what follows the
// last record of the handshake stays in `input`.
struct Transport {
  std::span<const std::uint8_t> input;  // shrinks as it is read
  Bytes output;

  // A BIO over this Transport, which must outlive it.
  bssl::UniquePtr<BIO> bio();
};

}  // namespace culvert
