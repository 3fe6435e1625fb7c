// SPDX-License-Identifier: Apache-2.0
// Private to node: tells the service manager, if there is one ("READY=1", "STOPPING=1").
#pragma once

#include <string_view>

namespace culvert {

void notify_service_manager(std::string_view state);

}  // namespace culvert
