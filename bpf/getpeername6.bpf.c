// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * getpeername6: cgroup/getpeername6 on the pods' cgroup: getpeername(2) and accept(2) of IPv6
 * sockets show the peer beyond the daemon. Both directions; sockets that are not ours as they are.
 */
#include "address.h"
#include "maps.h"

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	const struct socket_state *state;
	__be32 ip6[4];

	if (ctx->protocol != IPPROTO_TCP)
		return 1;
	state = bpf_sk_storage_get(&sockets, ctx->sk, NULL, 0);
	if (!state)
		return 1;
	__builtin_memcpy(ip6, state->peer.ip, sizeof(ip6));
	ctx->user_ip6[0] = ip6[0];
	ctx->user_ip6[1] = ip6[1];
	ctx->user_ip6[2] = ip6[2];
	ctx->user_ip6[3] = ip6[3];
	ctx->user_port = bpf_htons(state->peer.port);
	return 1;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
