// SPDX-License-Identifier: Apache-2.0
// convert: addresses between abi.h and address.h. The bytes are the same on both sides.
#pragma once

#include <algorithm>

#include "culvert/abi.h"
#include "culvert/address.h"

namespace culvert {

inline culvert_address to_abi(const Endpoint &endpoint) {
  culvert_address address{};
  std::ranges::copy(endpoint.ip.bytes, address.ip);
  address.port = endpoint.port;
  return address;
}

inline Endpoint from_abi(const culvert_address &address) {
  Endpoint endpoint{{}, address.port};
  std::ranges::copy(address.ip, endpoint.ip.bytes.begin());
  return endpoint;
}

}  // namespace culvert
