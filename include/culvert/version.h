// SPDX-License-Identifier: Apache-2.0
// version: of this build; CMake gives it.
#pragma once

namespace culvert {

inline constexpr const char *version = CULVERT_VERSION;

}  // namespace culvert
