// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * getpeername4: cgroup/getpeername4 on the pods' cgroup: getpeername(2) and accept(2) of IPv4
 * sockets show the peer beyond the daemon. Both directions; sockets that are not ours as they are.
 */
#include "address.h"
#include "maps.h"

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	const struct socket_state *state;
	__be32 ip4;

	if (ctx->protocol != IPPROTO_TCP)
		return 1;
	state = bpf_sk_storage_get(&sockets, ctx->sk, NULL, 0);
	if (!state)
		return 1;
	__builtin_memcpy(&ip4, state->peer.ip + 12, sizeof(ip4));
	ctx->user_ip4 = ip4;
	ctx->user_port = bpf_htons(state->peer.port);
	return 1;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
