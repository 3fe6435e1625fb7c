// SPDX-License-Identifier: Apache-2.0
// node: owns the rooms of one node, and applies each Snapshot to them as a whole.
//
//   source ─Snapshot─▶ destinations (what is meshed: first, so that nothing meshed is ever passed)
//                   ─▶ local pods (namespace opened, captured, listened in)
//                   ─▶ identities wanted ─▶ one NodeView for all data threads
//
// Control thread only. A daemon that dies leaves the pinned programs: meshed destinations are
// refused until the next one takes them over.
#pragma once

#include <memory>

#include "culvert/config.h"
#include "culvert/result.h"

namespace culvert {

class Node {
 public:
  static Result<std::unique_ptr<Node>, Problem> create(const Config &config);
  virtual ~Node() = default;
  // Serves until SIGTERM or SIGINT, then drains.
  virtual void run() = 0;
};

}  // namespace culvert
