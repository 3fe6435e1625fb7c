// SPDX-License-Identifier: Apache-2.0
// handshake: the first bytes of a connection, as they come: what is clear stays clear when more
// come.
#include <cstdint>
#include <span>
#include <vector>

#include "culvert/handshake.h"
#include "culvert/result.h"

using namespace culvert;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  Opening before = Opening::unclear;
  for (std::size_t length = 0; length <= size; ++length) {
    const std::vector<std::uint8_t> exact(data, data + length);
    const Opening now = opening_of(exact);
    ENSURE(before == Opening::unclear || now == before);
    before = now;
  }
  return 0;
}
