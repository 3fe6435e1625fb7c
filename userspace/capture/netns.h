// SPDX-License-Identifier: Apache-2.0
// netns: being in another network namespace for a while.
#pragma once

#include "culvert/capture.h"
#include "culvert/fd.h"
#include "culvert/result.h"

namespace culvert {

// NetnsVisit puts the calling thread into a namespace and back where it was when it ends.
class NetnsVisit {
 public:
  static Result<NetnsVisit> enter(int netns_fd);
  NetnsVisit(NetnsVisit &&) = default;
  NetnsVisit &operator=(NetnsVisit &&) = delete;
  ~NetnsVisit();

 private:
  explicit NetnsVisit(UniqueFd home) : home_(std::move(home)) {}
  UniqueFd home_;  // empty: moved from
};

}  // namespace culvert
