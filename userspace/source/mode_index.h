// SPDX-License-Identifier: Apache-2.0
// Which PeerAuthentications decide the modes of a pod. As in Istio: of those with a selector that
// selects it, of those of its namespace and of those of the mesh the oldest each (one without a
// time is older than one with it, then the first by name); the nearest of these three that is not
// UNSET says the mode, and only one with a selector speaks of ports.
#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "build.h"

namespace culvert {

class ModeIndex {
 public:
  // Adds the objects' errors. All arguments but `errors` outlive the index.
  ModeIndex(const Joined &joined, const MeshSettings &mesh, std::vector<ResourceError> &errors);

  InboundModes of(const Metadata &pod) const;

 private:
  struct Scope {
    const Entry *everyone = nullptr;       // without a selector, the oldest
    std::vector<const Entry *> selective;  // with one, oldest first
    std::vector<const Entry *> open;       // STRICT before all others
  };

  void add(const Entry &entry, bool open);

  const MeshSettings &settings_;
  Scope mesh_;
  std::unordered_map<std::string_view, Scope> namespaces_;
};

}  // namespace culvert
