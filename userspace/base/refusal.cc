// SPDX-License-Identifier: Apache-2.0
#include "culvert/refusal.h"

#include <array>

namespace culvert {

std::string_view name(Refusal refusal) {
  static constexpr std::array names = {
#define CULVERT_REFUSAL_NAME(refusal) std::string_view(#refusal),
      CULVERT_REFUSALS(CULVERT_REFUSAL_NAME)
#undef CULVERT_REFUSAL_NAME
  };
  static_assert(names.size() == static_cast<std::size_t>(Refusal::count));
  const auto index = static_cast<std::size_t>(refusal);
  return index < names.size() ? names[index] : "unknown";
}

}  // namespace culvert
