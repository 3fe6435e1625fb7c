// SPDX-License-Identifier: Apache-2.0
// Private to node: a compiled set as the rows of the kernel's maps.
#pragma once

#include "culvert/compiled_policy.h"
#include "culvert/policy_maps.h"

namespace culvert {

PolicyMapContents contents_of(const CompiledPolicy &compiled);

}  // namespace culvert
