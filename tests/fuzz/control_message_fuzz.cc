// SPDX-License-Identifier: Apache-2.0
// tunnel: what decodes as a control message encodes to the same bytes; nothing else decodes.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "culvert/result.h"
#include "culvert/tunnel.h"

using namespace culvert;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const std::span<const std::uint8_t> input(data, size);
  if (const auto message = ControlMessage::decode(input)) {
    std::array<std::uint8_t, 3> buffer{};
    ENSURE(std::ranges::equal(message->encode(buffer), input));
  }
  return 0;
}
