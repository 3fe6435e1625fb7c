// SPDX-License-Identifier: Apache-2.0
// Durations as Go and Kubernetes write them: 10s, 1m30s, 500ms, 1h, 1.5h.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace culvert {

// Units h, m, s, ms, us, ns; a plain 0 needs none. nullopt: no such form, negative, or finer than a
// nanosecond or longer than 292 years.
std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text);

// "1m30s"; the shortest form that parse_go_duration reads back.
std::string duration_text(std::chrono::nanoseconds duration);

}  // namespace culvert
