// SPDX-License-Identifier: Apache-2.0
// tables: the two maps that data threads use. System calls without state.
#include <bpf/bpf.h>

#include "convert.h"
#include "culvert/abi.h"
#include "culvert/capture.h"

namespace culvert {

Result<Endpoint> FlowTable::take(std::uint64_t netns_cookie, const Endpoint &application) const {
  const connection_key key{netns_cookie, to_abi(application), {}};
  connection_peer flow;
  const int error = ::bpf_map_lookup_and_delete_elem(map_fd_, &key, &flow);
  if (error != 0) return fail_os("take flow", -error);
  return from_abi(flow.peer);
}

Result<Endpoint> FlowTable::take_announced(std::uint64_t netns_cookie, const Endpoint &from,
                                           const Endpoint &to) const {
  const connection_key key{netns_cookie, to_abi(from), to_abi(to)};
  connection_peer peer;
  const int error = ::bpf_map_lookup_and_delete_elem(peers_fd_, &key, &peer);
  if (error != 0) return fail_os("take announced", -error);
  return from_abi(peer.peer);
}

Result<> Announcer::announce(int socket, const Endpoint &client, std::uint32_t identity) const {
  const socket_state state{to_abi(client), SOCKET_ANNOUNCE, identity};
  const int error = ::bpf_map_update_elem(map_fd_, &socket, &state, BPF_ANY);
  if (error != 0) return fail_os("announce", -error);
  return {};
}

}  // namespace culvert
