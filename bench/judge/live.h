// SPDX-License-Identifier: Apache-2.0
// live: the policy maps of a running culvertd and its own program verdict_probe, asked from
// outside.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "culvert/fd.h"
#include "culvert/verdict.h"

namespace bench {

// Prints what failed and why, and ends the program.
[[noreturn]] void die(const std::string &what, int error = 0);

class Live {
 public:
  // `maps`: where this daemon pins its maps. `ip`: of the pod whose set is asked.
  Live(pid_t daemon, const std::string &maps, const std::string &ip);

  double control_thread_ms() const;  // the daemon's, of CPU so far
  std::uint32_t set() const;  // the pod's, this moment; 0: none
  verdict_answer ask(const verdict_question &question) const;
  // Nanoseconds of one verdict, the mean of `repeat` runs in the kernel.
  double cost_ns(const verdict_question &question, std::uint32_t repeat) const;
  // An identity that the set names.
  std::uint32_t named_identity(std::uint32_t set) const;

 private:
  pid_t daemon_;
  culvert::UniqueFd probe_, pods_, identities_;
  std::uint64_t cookie_ = 0;
};

}  // namespace bench
