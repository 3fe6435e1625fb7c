// SPDX-License-Identifier: Apache-2.0
// grace: waiting until no BPF program is running that was running before.
#pragma once

#include "culvert/fd.h"
#include "culvert/result.h"

namespace culvert {

// GracePeriod is a map of maps of our own: an update of such a map returns after an RCU grace
// period (kernel/bpf/syscall.c, maybe_wait_bpf_programs), also where membarrier(2) will not.
class GracePeriod {
 public:
  static Result<GracePeriod, Problem> create();
  void wait() const;

 private:
  GracePeriod(UniqueFd inner, UniqueFd outer)
      : inner_(std::move(inner)), outer_(std::move(outer)) {}
  UniqueFd inner_, outer_;
};

}  // namespace culvert
