// SPDX-License-Identifier: Apache-2.0
// The seed of this run's own cases, printed: CULVERT_POLICY_SEED=<seed> asks them again.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace culvert {

inline std::uint64_t fresh_policy_seed() {
  std::random_device device;
  std::uint64_t seed = (std::uint64_t{device()} << 32) | device();
  if (const char *given = std::getenv("CULVERT_POLICY_SEED")) {
    seed = std::strtoull(given, nullptr, 0);
  }
  std::printf("CULVERT_POLICY_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace culvert
