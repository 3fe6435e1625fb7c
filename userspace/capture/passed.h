// SPDX-License-Identifier: Apache-2.0
// passed: inbound connections of a pod that go straight to its applications, found and ended.
#pragma once

#include <cstdint>

#include "culvert/capture.h"

namespace culvert {

// See Capture::end_passed. `own_cgroup`: the daemon's, whose sockets are none of these.
PassedSweep end_passed_in(const PodNetns &netns, std::uint64_t own_cgroup,
                          const PassedStays &stays);

}  // namespace culvert
