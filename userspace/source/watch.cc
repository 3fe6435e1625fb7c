// SPDX-License-Identifier: Apache-2.0
#include "watch.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>

#include "file.h"

namespace culvert {
namespace {

constexpr long tick_ns = 500'000'000;
constexpr long soon_ns = 100'000'000;

constexpr std::uint32_t complete = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
constexpr std::uint32_t incomplete = IN_CREATE | IN_ATTRIB;
constexpr std::uint32_t directory_itself = IN_DELETE_SELF | IN_MOVE_SELF;

Result<UniqueFd> owned(int fd, const char *what) {
  if (fd < 0) return fail_os(what, errno);
  return UniqueFd(fd);
}

}  // namespace

Result<DirectoryWatch> DirectoryWatch::open(const std::string &path) {
  DirectoryWatch watch;
  watch.path_ = path;
  watch.poll_ = TRY(owned(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
  watch.inotify_ = TRY(owned(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1"));
  watch.timer_ =
      TRY(owned(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create"));
  for (const UniqueFd *fd : {&watch.inotify_, &watch.timer_}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(watch.poll_.get(), EPOLL_CTL_ADD, fd->get(), &event) != 0) {
      return fail_os("epoll_ctl", errno);
    }
  }
  watch.soon_ = true;
  watch.look_soon(false);
  TRY(watch.follow_path());
  return watch;
}

void DirectoryWatch::look_soon(bool soon) {
  if (soon == soon_) return;
  soon_ = soon;
  itimerspec time{};
  time.it_interval.tv_nsec = soon ? soon_ns : tick_ns;
  time.it_value = time.it_interval;
  ENSURE(::timerfd_settime(timer_.get(), 0, &time, nullptr) == 0);
}

Result<void> DirectoryWatch::follow_path() {
  UniqueFd directory =
      TRY(owned(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open"));
  // Through the descriptor: the path may lead elsewhere by now.
  const std::string same = "/proc/self/fd/" + std::to_string(directory.get());
  const int watch = ::inotify_add_watch(inotify_.get(), same.c_str(),
                                        complete | incomplete | directory_itself | IN_ONLYDIR);
  if (watch < 0) return fail_os("inotify_add_watch", errno);
  if (watch_ >= 0 && watch_ != watch) ::inotify_rm_watch(inotify_.get(), watch_);
  watch_ = watch;
  directory_ = std::move(directory);
  return {};
}

bool DirectoryWatch::leads_here() const {
  struct stat here, there;
  return ::fstat(directory_.get(), &here) == 0 && ::stat(path_.c_str(), &there) == 0 &&
         here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

DirectoryWatch::Changes DirectoryWatch::take() {
  Changes changes;
  std::uint64_t expirations = 0;
  (void)!::read(timer_.get(), &expirations, sizeof expirations);  // EAGAIN: not its turn
  drain(changes);
  if (leads_here()) {
    // The same directory under its old path again (moved away and back): what happened meanwhile
    // came as events.
    lost_ = false;
  } else if (follow_path()) {
    lost_ = false;
    changes.everything = true;
  } else {
    lost_ = true;
  }
  return changes;
}

void DirectoryWatch::drain(Changes &changes) {
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  for (;;) {
    const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (size <= 0) return;  // EAGAIN: that was all
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      const auto *event = reinterpret_cast<const inotify_event *>(buffer.data() + at);
      note(*event, changes);
      at += sizeof *event + event->len;
    }
  }
}

void DirectoryWatch::note(const inotify_event &event, Changes &changes) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    changes.everything = true;
    return;
  }
  if (event.wd != watch_) return;  // of a directory that we left
  if ((event.mask & IN_IGNORED) != 0) watch_ = -1;
  if (event.len == 0) return;
  const std::string name = event.name;
  if (!is_manifest(name)) {
    changes.other_names = true;
  } else if ((event.mask & complete) != 0) {
    changes.names.insert(name);
  } else {
    changes.maybe.insert(name);
  }
}

}  // namespace culvert
