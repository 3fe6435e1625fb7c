// SPDX-License-Identifier: Apache-2.0
// DirectoryWatch: which names of one directory may have changed, by inotify.
//
// inotify follows an inode, the user means a path. So the path is looked at twice a second: when it
// leads elsewhere (the directory was replaced, removed, made again, mounted over) the watch
// follows. The watch is set before the directory is first read: no change falls in between.
#pragma once

#include <set>
#include <string>

#include "culvert/fd.h"
#include "culvert/result.h"

struct inotify_event;

namespace culvert {

class DirectoryWatch {
 public:
  struct Changes {
    bool everything = false;  // events were lost, or it is another directory now
    bool other_names = false;  // names that are no manifests: perhaps what links lead through
    std::set<std::string> names;  // complete: written and closed, moved here, gone
    std::set<std::string> maybe;  // created or touched: a writer may not be done with it
  };

  static Result<DirectoryWatch> open(const std::string &path);

  int fd() const { return poll_.get(); }  // readable: call take()
  const UniqueFd &directory() const { return directory_; }
  bool lost() const {
    return lost_;
  }  // the path leads to no directory; directory() is the last one
  Changes take();
  // Look again in a tenth of a second, and so on until it is called with false.
  void look_soon(bool soon);

 private:
  DirectoryWatch() = default;
  Result<void> follow_path();
  bool leads_here() const;
  void drain(Changes &changes);
  void note(const inotify_event &event, Changes &changes);

  std::string path_;
  UniqueFd poll_;  // epoll over the next two
  UniqueFd inotify_, timer_;
  UniqueFd directory_;
  int watch_ = -1;
  bool lost_ = false;
  bool soon_ = false;
};

}  // namespace culvert
