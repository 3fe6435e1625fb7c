// SPDX-License-Identifier: Apache-2.0
// cgroup: the two cgroups that programs are attached to: the pods' and the daemon's own.
#pragma once

#include <cstdint>
#include <string>

#include "culvert/fd.h"
#include "culvert/result.h"

namespace culvert {

struct Cgroup {
  UniqueFd fd;
  std::uint64_t id;  // as BPF links name it; another one when the cgroup was removed and made again
  std::string path;  // canonical
};

Result<Cgroup, Problem> open_pods_cgroup(const std::string &path);

// From /proc/self/cgroup and the cgroup2 mounts. Problem: it is the pods' cgroup or below it: the
// daemon's connections would be captured and come back to it; or above it: the pods' connections
// would be taken for the daemon's.
Result<Cgroup, Problem> open_own_cgroup(const Cgroup &pods);

}  // namespace culvert
