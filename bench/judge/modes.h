// SPDX-License-Identifier: Apache-2.0
// modes: what bench_policy can measure. Each prints one JSON line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "live.h"

namespace bench {

// The kernel's verdict for an identity that the pod's policies name, on `port`; it must be ALLOW.
void measure_kernel(const Live &live, std::uint16_t port, std::uint32_t repeat);

// PolicyTable::judge() for the pod ns/name of each resource directory, `rounds` times in turn:
// nanoseconds for one question again and again, and for clients picked at random of all identities.
void measure_tables(const std::vector<std::string> &directories, const std::string &pod,
                    std::uint16_t port, unsigned rounds);

// `count` times: writes `target` from `model`, whose @PORT@ becomes a port that the pod's policies
// do not allow yet, and waits until the kernel allows it. Milliseconds from the rename, each, and
// what one took of the control thread's CPU. One more comes first: what was before has ended then.
void measure_changes(const Live &live, const std::string &model, const std::string &target,
                     unsigned count);

}  // namespace bench
