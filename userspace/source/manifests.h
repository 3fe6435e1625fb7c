// SPDX-License-Identifier: Apache-2.0
// Text of a manifest file → FileContent.
#pragma once

#include <string>
#include <string_view>

#include "culvert/source.h"
#include "objects.h"

namespace culvert {

// `good` is what `file` said when it last was whole. Bad text never takes away what was good:
// - it does not parse, or an object has no readable kind or name: all of the file's objects stay;
// - an object is invalid: its last good version stays; if it has none, it is left out.
// Policies are never lost: a new one counts also in a file of which not every object can be told,
// and what is not understood of one makes it narrower, or STRICT.
FileContent read_manifests(const std::string &file, std::string_view text,
                           const std::vector<ObjectPtr> &good, const MeshSettings &mesh);

}  // namespace culvert
