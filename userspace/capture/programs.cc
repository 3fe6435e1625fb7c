// SPDX-License-Identifier: Apache-2.0
#include "programs.h"

#include <fcntl.h>

#include "loader.h"
#include "node.skel.h"

namespace culvert {

namespace {

using Skeleton = std::unique_ptr<culvert_node, SkeletonDeleter>;

Result<void, Problem> set_sizes(const Capture::Options &options, const culvert_node &skeleton) {
  const auto &maps = skeleton.maps;
  const PolicyMapSizes &policies = options.policies;
  const std::pair<bpf_map *, std::uint32_t> sizes[] = {
      {maps.pods, options.pods_max},           {maps.destinations, options.destinations_max},
      {maps.flows, options.flows_max},         {maps.peers, options.flows_max},
      {maps.policy_sets, policies.sets},       {maps.policy_identities, policies.identities},
      {maps.policy_sources, policies.sources}, {maps.policy_ports, policies.ports},
      {maps.policy_cells, policies.cells},
  };
  for (const auto &[map, entries] : sizes) {
    const int error = ::bpf_map__set_max_entries(map, entries);
    if (error != 0) return bpf_problem(::bpf_map__name(map), "set size", -error);
  }
  return {};
}

Result<Skeleton, Problem> load(const Capture::Options &options, const Pins &pins) {
  collect_bpf_messages();
  Skeleton skeleton(culvert_node__open());
  if (skeleton == nullptr) return bpf_problem("BPF programs", "open", errno);
  TRY(set_sizes(options, *skeleton));
  bpf_map *map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) TRY(pins.adopt(map));
  const int error = culvert_node__load(skeleton.get());
  if (error != 0) return bpf_problem("BPF programs", "load", -error);
  bpf_object__for_each_map(map, skeleton->obj)
      TRY(pins.pin_map(::bpf_map__fd(map), ::bpf_map__name(map)));
  return skeleton;
}

Result<PolicyFds, Problem> policy_fds(const culvert_node &skeleton) {
  const auto &maps = skeleton.maps;
  return PolicyFds{TRY(own_fd(maps.policy_sets)),
                   TRY(own_fd(maps.policy_identities)),
                   TRY(own_fd(maps.policy_sources)),
                   TRY(own_fd(maps.policy_ports)),
                   TRY(own_fd(maps.policy_cells)),
                   TRY(own_fd(maps.pods)),
                   TRY(own_fd(skeleton.progs.verdict_probe))};
}

}  // namespace

void SkeletonDeleter::operator()(culvert_node *skeleton) const { culvert_node__destroy(skeleton); }

Result<NodePrograms, Problem> load_programs(const Capture::Options &options, const Pins &pins) {
  Skeleton skeleton = TRY(load(options, pins));
  const auto &maps = skeleton->maps;
  return NodePrograms{TRY(own_fd(maps.pods)),     TRY(own_fd(maps.destinations)),
                      TRY(own_fd(maps.settings)), TRY(own_fd(maps.flows)),
                      TRY(own_fd(maps.peers)),    TRY(own_fd(maps.sockets)),
                      TRY(own_fd(maps.events)),   TRY(policy_fds(*skeleton)),
                      std::move(skeleton),        {}};
}

Result<void, Problem> attach_programs(NodePrograms &programs, const Pins &pins, const Cgroup &pods,
                                      const Cgroup &own) {
  struct Attachment {
    const bpf_program *program;
    const Cgroup &cgroup;
    bpf_attach_type type;
  };
  const auto &progs = programs.skeleton->progs;
  // The daemon's own first. What remembers a captured connection comes before what captures it.
  const Attachment attachments[] = {
      {progs.daemon_connect4, own, BPF_CGROUP_INET4_CONNECT},
      {progs.daemon_connect6, own, BPF_CGROUP_INET6_CONNECT},
      {progs.daemon_sockops, own, BPF_CGROUP_SOCK_OPS},
      {progs.pod_sockops, pods, BPF_CGROUP_SOCK_OPS},
      {progs.getpeername4, pods, BPF_CGROUP_INET4_GETPEERNAME},
      {progs.getpeername6, pods, BPF_CGROUP_INET6_GETPEERNAME},
      {progs.connect4, pods, BPF_CGROUP_INET4_CONNECT},
      {progs.connect6, pods, BPF_CGROUP_INET6_CONNECT},
  };
  for (const auto &[program, cgroup, type] : attachments) {
    programs.links.push_back(
        TRY(pins.attach(::bpf_program__name(program), ::bpf_program__fd(program),
                        {cgroup.fd.get(), type, cgroup.id})));
  }
  programs.skeleton.reset();
  return {};
}

}  // namespace culvert
