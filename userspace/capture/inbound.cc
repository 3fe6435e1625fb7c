// SPDX-License-Identifier: Apache-2.0
#include "inbound.h"

#include <sys/stat.h>

#include <charconv>
#include <memory>

#include "culvert/abi.h"
#include "inbound.skel.h"
#include "loader.h"

namespace culvert {

namespace {

constexpr std::string_view name_prefix = "inbound_";

struct SkeletonDeleter {
  void operator()(culvert_inbound *skeleton) const { culvert_inbound__destroy(skeleton); }
};

using Skeleton = std::unique_ptr<culvert_inbound, SkeletonDeleter>;

Result<Skeleton, Problem> load(const NodeMaps &node) {
  collect_bpf_messages();
  Skeleton skeleton(culvert_inbound__open());
  if (skeleton == nullptr) return bpf_problem("BPF program inbound", "open", errno);
  const auto &maps = skeleton->maps;
  const std::pair<bpf_map *, int> shared[] = {
      {maps.events, node.events},
      {maps.destinations, node.destinations},
      {maps.settings, node.settings},
  };
  for (const auto &[map, fd] : shared) {
    const int error = ::bpf_map__reuse_fd(map, fd);
    if (error != 0) return bpf_problem(::bpf_map__name(map), "reuse", -error);
  }
  const int error = culvert_inbound__load(skeleton.get());
  if (error != 0) return bpf_problem("BPF program inbound", "load", -error);
  return skeleton;
}

Result<void, Problem> add_listener(int map_fd, inbound_listener which, const UniqueFd &listener) {
  if (listener.empty()) return {};  // no IPv6 in this pod
  const std::uint32_t key = which;
  const auto socket = static_cast<std::uint64_t>(listener.get());
  const int error = ::bpf_map_update_elem(map_fd, &key, &socket, BPF_ANY);
  if (error != 0) return bpf_problem("BPF map inbound_listeners", "insert", -error);
  return {};
}

}  // namespace

std::string inbound_name(std::uint64_t cookie) {
  return std::string(name_prefix) + std::to_string(cookie);
}

std::optional<std::uint64_t> inbound_cookie(const std::string &name) {
  if (!name.starts_with(name_prefix)) return std::nullopt;
  std::uint64_t cookie = 0;
  const char *end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + name_prefix.size(), end, cookie);
  if (error != std::errc() || rest != end) return std::nullopt;
  return cookie;
}

Result<Inbound, Problem> steer_inbound(const Pins &pins, const PodNetns &netns,
                                       const PodListeners &listeners, const NodeMaps &node) {
  const std::string name = inbound_name(netns.cookie);
  const Skeleton skeleton = TRY(load(node));
  const int map_fd = ::bpf_map__fd(skeleton->maps.inbound_listeners);
  TRY(add_listener(map_fd, INBOUND_LISTENER_V4, listeners.inbound_v4));
  TRY(add_listener(map_fd, INBOUND_LISTENER_V6, listeners.inbound_v6));

  struct stat status;
  if (::fstat(netns.fd.get(), &status) != 0) return bpf_problem(name, "stat netns", errno);
  UniqueFd link = TRY(pins.attach(name, ::bpf_program__fd(skeleton->progs.inbound),
                                  {netns.fd.get(), BPF_SK_LOOKUP, status.st_ino}));
  TRY(pins.pin_map(map_fd, name));
  const auto &maps = skeleton->maps;
  Steering steering(TRY(own_fd(maps.inbound_steering)), TRY(own_fd(maps.inbound_ports)),
                    TRY(own_fd(maps.inbound_nodes)));
  TRY(steering.pin(pins, netns.cookie));
  return Inbound{std::move(link), std::move(steering)};
}

void remove_inbound(const Pins &pins, std::uint64_t cookie) {
  pins.remove_link(inbound_name(cookie));
  pins.remove_map(inbound_name(cookie));
  Steering::unpin(pins, cookie);
}

}  // namespace culvert
