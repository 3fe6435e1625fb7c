// SPDX-License-Identifier: Apache-2.0
// Amounts are scaled down where the machine is slow: CULVERT_SCALE, as for the suites in tests/e2e.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace culvert {

inline std::uint64_t scaled(std::uint64_t amount, std::uint64_t least = 1) {
  const char *given = std::getenv("CULVERT_SCALE");
  const double scale = given != nullptr ? std::strtod(given, nullptr) : 1;
  const double wanted = static_cast<double>(amount) * scale;
  return std::max(least, static_cast<std::uint64_t>(wanted));
}

}  // namespace culvert
