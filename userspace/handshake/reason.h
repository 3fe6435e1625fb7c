// SPDX-License-Identifier: Apache-2.0
// reason: the TLS library's error queue in our words.
#pragma once

#include <string>

#include "culvert/refusal.h"

namespace culvert {

struct Reason {
  Refusal refusal;
  std::string detail;
};

// Takes the errors that a failed call left in this thread's queue, and empties it.
Reason take_reason();

}  // namespace culvert
