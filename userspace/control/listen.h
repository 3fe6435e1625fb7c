// SPDX-License-Identifier: Apache-2.0
// listen: the HTTP server's listening sockets; non-blocking, close-on-exec.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "culvert/fd.h"
#include "culvert/result.h"

namespace culvert {

inline constexpr int listen_backlog = 64;

// UnixSocket is a bound and listening socket and its file, which is removed with it unless another
// process has put its own in its place.
class UnixSocket {
 public:
  static Result<UnixSocket, Problem> create(const std::string &path);
  UnixSocket(UnixSocket &&) = default;
  UnixSocket &operator=(UnixSocket &&) = delete;
  ~UnixSocket();
  int fd() const { return fd_.get(); }

 private:
  UnixSocket(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::string path_;
  struct stat file_{};
};

struct TcpSocket {
  UniqueFd fd;
  std::uint16_t port;
};
Result<TcpSocket, Problem> listen_at(const std::string &address);

}  // namespace culvert
