// SPDX-License-Identifier: Apache-2.0
// listeners: the daemon's listening sockets inside a pod.
#pragma once

#include <vector>

#include "culvert/capture.h"
#include "culvert/result.h"

namespace culvert {

// Opens one set a data thread in the namespace the calling thread is in. Problem: names the
// address; an application that listens there already, lo that is down, ...
Result<std::vector<PodListeners>, Problem> open_listeners(unsigned threads);

}  // namespace culvert
