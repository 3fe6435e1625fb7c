// SPDX-License-Identifier: Apache-2.0
// problem_text: one sentence about a system call that failed on an object.
#pragma once

#include <cerrno>
#include <string>

#include "culvert/result.h"

namespace culvert {

// "OBJECT: WHAT: Permission denied: run culvertd as root ..."; `code` is an errno, `next` what to
// do about it (EPERM and EACCES have one answer of their own).
inline std::unexpected<Problem> problem_with(const std::string &object, const char *what, int code,
                                             const std::string &next) {
  const bool denied = code == EPERM || code == EACCES;
  return problem(
      object + ": " + describe(os_error(what, code)) + ": " +
      (denied ? "run culvertd as root or with CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN" : next));
}

}  // namespace culvert
