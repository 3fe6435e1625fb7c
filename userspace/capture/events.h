// SPDX-License-Identifier: Apache-2.0
// events: what the programs counted, by name.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace culvert {

// See Capture::events.
std::vector<std::pair<std::string, std::uint64_t>> read_events(int map_fd);

}  // namespace culvert
