// SPDX-License-Identifier: Apache-2.0
// Amounts are scaled down where the machine is slow: CULVERT_SCALE, as for the suites in tests/e2e.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace culvert {

inline std::uint64_t scaled(std::uint64_t amount) {
  const char *given = std::getenv("CULVERT_SCALE");
  const double scale = given != nullptr ? std::strtod(given, nullptr) : 1;
  const double wanted = static_cast<double>(amount) * scale;
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
}

}  // namespace culvert
