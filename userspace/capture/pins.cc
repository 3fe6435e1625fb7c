// SPDX-License-Identifier: Apache-2.0
#include "pins.h"

#include <dirent.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstdio>
#include <memory>

#include "problem_text.h"

namespace culvert {

namespace {

constexpr const char *usual_mount = "/sys/fs/bpf";

bool is_bpffs(const std::string &path) {
  struct statfs filesystem;
  return ::statfs(path.c_str(), &filesystem) == 0 && filesystem.f_type == BPF_FS_MAGIC;
}

Result<void, Problem> make_directories(const std::string &path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return problem_with("bpffs: " + part, "mkdir", errno, "make the folders above it");
    }
    if (end == path.npos) return {};
  }
}

Result<void, Problem> mount_bpffs(const std::string &directory) {
  const bool usual = directory.starts_with(std::string(usual_mount) + "/");
  const std::string point = usual ? usual_mount : directory;
  if (!usual) TRY(make_directories(point));
  if (is_bpffs(point)) return {};
  if (::mount("bpf", point.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    return problem_with("bpffs: " + point, "mount", errno,
                        "mount it by hand: mount -t bpf bpf " + point);
  }
  return {};
}

// Pins `fd` at `path`, in the place of what is pinned there, without a moment between.
Result<void, Problem> pin_over(int fd, const std::string &path) {
  const std::string aside = path + "_new";  // bpffs allows no dot in a name
  ::unlink(aside.c_str());                  // of a daemon that was killed right here
  if (const int error = ::bpf_obj_pin(fd, aside.c_str()); error != 0) {
    return problem_with(aside, "pin", -error, "check that bpffs is writable");
  }
  if (::rename(aside.c_str(), path.c_str()) != 0) {
    return problem_with(path, "rename", errno, "check that bpffs is writable");
  }
  return {};
}

UniqueFd open_pin(const std::string &path) {
  const int fd = ::bpf_obj_get(path.c_str());
  return fd < 0 ? UniqueFd() : UniqueFd(fd);
}

// Where a link is attached; 0: nowhere any more.
std::uint64_t target_of(int link_fd) {
  bpf_link_info info{};
  std::uint32_t size = sizeof info;
  if (::bpf_obj_get_info_by_fd(link_fd, &info, &size) != 0) return 0;
  if (info.type == BPF_LINK_TYPE_CGROUP) return info.cgroup.cgroup_id;
  if (info.type == BPF_LINK_TYPE_NETNS) return info.netns.netns_ino;
  return 0;
}

}  // namespace

Result<Pins, Problem> Pins::open(const std::string &directory) {
  if (!directory.starts_with('/')) {
    return problem("bpffs: '" + directory + "': not absolute: name a folder below " + usual_mount);
  }
  TRY(mount_bpffs(directory));
  TRY(make_directories(directory + "/maps"));
  TRY(make_directories(directory + "/links"));
  if (!is_bpffs(directory)) {
    return problem("bpffs: " + directory + ": not on bpffs: name a folder below " + usual_mount);
  }
  return Pins(directory);
}

Result<void, Problem> Pins::adopt(bpf_map *map) const {
  const std::string path = map_path(::bpf_map__name(map));
  const UniqueFd pinned = open_pin(path);
  if (pinned.empty()) return {};
  bpf_map_info info{};
  std::uint32_t size = sizeof info;
  if (const int error = ::bpf_obj_get_info_by_fd(pinned.get(), &info, &size); error != 0) {
    return problem_with(path, "read", -error, "remove it");
  }
  if (info.type != ::bpf_map__type(map) || info.key_size != ::bpf_map__key_size(map) ||
      info.value_size != ::bpf_map__value_size(map) ||
      info.max_entries != ::bpf_map__max_entries(map) ||
      info.map_flags != ::bpf_map__map_flags(map)) {
    return problem(
        path + ": another shape than this culvertd's (" + std::to_string(info.key_size) + " + " +
        std::to_string(info.value_size) + " bytes, " + std::to_string(info.max_entries) +
        " entries; wanted " + std::to_string(::bpf_map__key_size(map)) + " + " +
        std::to_string(::bpf_map__value_size(map)) + " bytes, " +
        std::to_string(::bpf_map__max_entries(map)) +
        " entries): start the version that made it, or drain this node's pods and remove " +
        directory_);
  }
  if (const int error = ::bpf_map__reuse_fd(map, pinned.get()); error != 0) {
    return problem_with(path, "reuse", -error, "remove it");
  }
  return {};
}

Result<void, Problem> Pins::pin_map(int map_fd, const std::string &name) const {
  return pin_over(map_fd, map_path(name));
}

Result<UniqueFd, Problem> Pins::attach(const std::string &name, int program_fd,
                                       const LinkTarget &target) const {
  const std::string path = link_path(name);
  UniqueFd pinned = open_pin(path);
  if (!pinned.empty() && target_of(pinned.get()) == target.id &&
      ::bpf_link_update(pinned.get(), program_fd, nullptr) == 0) {
    return pinned;
  }
  const int fd = ::bpf_link_create(program_fd, target.fd, target.type, nullptr);
  if (fd < 0) {
    return problem_with("BPF program " + name, "attach", -fd,
                        "see whether another program holds the hook: bpftool link");
  }
  UniqueFd link(fd);
  TRY(pin_over(link.get(), path));
  return link;
}

std::vector<std::string> Pins::links() const {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR *)> directory(::opendir((directory_ + "/links").c_str()),
                                                       ::closedir);
  if (directory == nullptr) return names;
  while (const dirent *entry = ::readdir(directory.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

bool Pins::is_detached(const std::string &link) const {
  const UniqueFd pinned = open_pin(link_path(link));
  return !pinned.empty() && target_of(pinned.get()) == 0;
}

void Pins::remove_map(const std::string &name) const { ::unlink(map_path(name).c_str()); }
void Pins::remove_link(const std::string &name) const { ::unlink(link_path(name).c_str()); }

}  // namespace culvert
