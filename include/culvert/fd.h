// SPDX-License-Identifier: Apache-2.0
// fd: ownership of one file descriptor.
#pragma once

#include <unistd.h>

#include <utility>

#include "culvert/result.h"

namespace culvert {

// UniqueFd owns one file descriptor, or none (empty). There is no conversion to int: the source
// always says whether the number is borrowed (get) or given away (release).
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) { ENSURE(fd >= 0); }
  UniqueFd(UniqueFd &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd &operator=(UniqueFd &&other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd &) = delete;
  UniqueFd &operator=(const UniqueFd &) = delete;
  ~UniqueFd() { reset(-1); }

  bool empty() const { return fd_ < 0; }
  int get() const {
    ENSURE(fd_ >= 0);
    return fd_;
  }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset() { reset(-1); }

 private:
  void reset(int fd) {
    if (fd_ >= 0) ::close(fd_);  // never retried: Linux frees the number even on EINTR
    fd_ = fd;
  }
  int fd_ = -1;
};

}  // namespace culvert
