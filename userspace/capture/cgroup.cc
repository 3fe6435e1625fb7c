// SPDX-License-Identifier: Apache-2.0
#include "cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <climits>
#include <fstream>
#include <sstream>

#include "problem_text.h"

namespace culvert {

namespace {

Result<Cgroup, Problem> open_cgroup(const std::string &path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return problem_with("cgroup " + path, "open", errno, "make it (mkdir) below a cgroup2 mount");
  }
  Cgroup cgroup{UniqueFd(fd), 0, path};
  struct statfs filesystem;
  if (::fstatfs(fd, &filesystem) != 0 || filesystem.f_type != CGROUP2_SUPER_MAGIC) {
    return problem("cgroup " + path + ": not on cgroup2: name a folder below a mount that " +
                   "`mount -t cgroup2` shows");
  }
  struct stat status;
  if (::fstat(fd, &status) != 0) return problem_with("cgroup " + path, "stat", errno, "try again");
  cgroup.id = status.st_ino;  // kernfs: on 64-bit machines the cgroup's id is its inode number
  char canonical[PATH_MAX];
  if (::realpath(path.c_str(), canonical) != nullptr) cgroup.path = canonical;
  return cgroup;
}

// The daemon's cgroup as a path below the cgroup2 root, "/" at least; empty: there is none.
std::string own_cgroup_name() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) return line.substr(3);
  }
  return {};
}

struct Cgroup2Mount {
  std::string root, point;  // the part of the hierarchy that is mounted, and where
};

// The mount that `path` lies below (proc_pid_mountinfo(5): "id parent dev root point ... - type").
Cgroup2Mount mount_above(const std::string &path) {
  std::ifstream file("/proc/self/mountinfo");
  Cgroup2Mount best;
  for (std::string line; std::getline(file, line);) {
    if (line.find(" - cgroup2 ") == line.npos) continue;
    std::istringstream fields(line);
    std::string skipped;
    Cgroup2Mount mount;
    fields >> skipped >> skipped >> skipped >> mount.root >> mount.point;
    if (path.starts_with(mount.point) && mount.point.size() > best.point.size()) best = mount;
  }
  return best;
}

}  // namespace

Result<Cgroup, Problem> open_pods_cgroup(const std::string &path) { return open_cgroup(path); }

Result<Cgroup, Problem> open_own_cgroup(const Cgroup &pods) {
  std::string name = own_cgroup_name();
  const Cgroup2Mount mount = mount_above(pods.path);
  if (mount.root != "/" && name.starts_with(mount.root)) name.erase(0, mount.root.size());
  if (name.empty() || mount.point.empty() || name.starts_with("/..")) {
    return problem("/proc/self/cgroup: the daemon's own cgroup '" + name +
                   "' is not below the cgroup2 mount of " + pods.path +
                   ": run culvertd in the host's cgroup namespace");
  }
  Cgroup own = TRY(open_cgroup(mount.point + (name == "/" ? "" : name)));
  if (own.path == pods.path || own.path.starts_with(pods.path + "/")) {
    return problem("cgroup " + pods.path + ": culvertd itself runs below it (" + own.path +
                   "), so that its own connections would be captured: start it elsewhere, or " +
                   "name a cgroup that holds pods only");
  }
  // The kernel runs a program for all cgroups below the one it is attached to.
  if (pods.path.starts_with(own.path + "/")) {
    return problem("cgroup " + own.path + ": culvertd itself runs there, above the pods' " +
                   pods.path + ", so that their connections would be judged like its own: start " +
                   "it in a cgroup of its own, as systemd does (by hand: mkdir " + mount.point +
                   "/culvertd, and echo $$ > " + mount.point + "/culvertd/cgroup.procs)");
  }
  return own;
}

}  // namespace culvert
