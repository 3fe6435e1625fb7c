// SPDX-License-Identifier: Apache-2.0
#include "netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "problem_text.h"

namespace culvert {

namespace {

constexpr const char *own_netns = "/proc/thread-self/ns/net";

// Where socket_in() left this thread; 0: somewhere else.
thread_local std::uint64_t current_cookie = 0;
// Where the thread came from, open once it has left.
thread_local UniqueFd home_netns;

Result<std::uint64_t> cookie_of(int netns_fd) {
  const NetnsVisit visit = TRY(NetnsVisit::enter(netns_fd));
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail_os("socket", errno);
  const UniqueFd socket(fd);
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0) {
    return fail_os("SO_NETNS_COOKIE", errno);
  }
  return cookie;
}

bool is_own(int netns_fd) {
  struct stat there, here;
  return ::fstat(netns_fd, &there) == 0 && ::stat(own_netns, &here) == 0 &&
         there.st_dev == here.st_dev && there.st_ino == here.st_ino;
}

}  // namespace

Result<NetnsVisit> NetnsVisit::enter(int netns_fd) {
  const int home = ::open(own_netns, O_RDONLY | O_CLOEXEC);
  if (home < 0) return fail_os("open own netns", errno);
  UniqueFd home_fd(home);
  if (::setns(netns_fd, CLONE_NEWNET) != 0) return fail_os("setns", errno);
  return NetnsVisit(std::move(home_fd));
}

NetnsVisit::~NetnsVisit() {
  if (!home_.empty()) ENSURE(::setns(home_.get(), CLONE_NEWNET) == 0);
}

Result<PodNetns, Problem> open_netns(const std::string &path) {
  const std::string object = "network namespace " + path;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return problem_with(object, "open", errno, "start the pod, or correct culvert.dev/netns");
  }
  PodNetns netns{UniqueFd(fd), 0};
  if (::ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
    return problem(object + ": not a network namespace: name /run/netns/NAME or " +
                   "/proc/PID/ns/net in culvert.dev/netns");
  }
  if (is_own(fd)) {
    return problem(object + ": culvertd's own, not a pod's: a pod on the host's network cannot " +
                   "be in the mesh");
  }
  const Result<std::uint64_t> cookie = cookie_of(fd);
  if (!cookie) return problem_with(object, cookie.error().what, cookie.error().code, "try again");
  netns.cookie = *cookie;
  return netns;
}

Result<UniqueFd> socket_in(const PodNetns &netns, int family, int type) {
  if (current_cookie != netns.cookie) {
    if (home_netns.empty()) {
      const int home = ::open(own_netns, O_RDONLY | O_CLOEXEC);
      if (home < 0) return fail_os("open own netns", errno);
      home_netns = UniqueFd(home);
    }
    if (::setns(netns.fd.get(), CLONE_NEWNET) != 0) return fail_os("setns", errno);
    current_cookie = netns.cookie;
  }
  const int fd = ::socket(family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail_os("socket", errno);
  return UniqueFd(fd);
}

void leave_netns() {
  if (current_cookie == 0) return;
  ENSURE(::setns(home_netns.get(), CLONE_NEWNET) == 0);
  current_cookie = 0;
}

}  // namespace culvert
