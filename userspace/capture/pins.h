// SPDX-License-Identifier: Apache-2.0
// pins: bpffs, where maps and links outlive the daemon, and how the next daemon takes them over.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "culvert/fd.h"
#include "culvert/result.h"

namespace culvert {

// Where a link is attached. `id` tells whether a pinned link is attached to this very object:
// the cgroup's id or the namespace's inode number.
struct LinkTarget {
  int fd;
  bpf_attach_type type;
  std::uint64_t id;
};

class Pins {
 public:
  // Makes `directory`/maps and `directory`/links, and mounts bpffs if there is none.
  static Result<Pins, Problem> open(const std::string &directory);

  // Has `map` (not loaded yet) use the pinned map of its name, if there is one.
  // Problem: the pinned one has another shape.
  Result<void, Problem> adopt(bpf_map *map) const;
  Result<void, Problem> pin_map(int map_fd, const std::string &name) const;

  // The program on the target, pinned as `name`: a pinned link that is attached there gets the
  // program by one atomic update; else a new link is attached, and then takes the pin's place.
  Result<UniqueFd, Problem> attach(const std::string &name, int program_fd,
                                   const LinkTarget &target) const;

  std::vector<std::string> links() const;
  bool is_detached(const std::string &link) const;  // its namespace or cgroup is gone
  void remove_map(const std::string &name) const;
  void remove_link(const std::string &name) const;

 private:
  explicit Pins(std::string directory) : directory_(std::move(directory)) {}
  std::string map_path(const std::string &name) const { return directory_ + "/maps/" + name; }
  std::string link_path(const std::string &name) const { return directory_ + "/links/" + name; }

  std::string directory_;
};

}  // namespace culvert
