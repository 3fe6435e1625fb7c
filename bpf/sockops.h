/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* sockops: both ends of a sock_ops program's connection, and asking for its end. */
#ifndef CULVERT_BPF_SOCKOPS_H
#define CULVERT_BPF_SOCKOPS_H

#include "address.h"

static __always_inline void local_of(struct bpf_sock_ops *ctx, struct culvert_address *out)
{
	if (CTX(ctx, family) == AF_INET)
		set_ip4(out->ip, CTX(ctx, local_ip4));
	else
		set_ip6(out->ip, CTX(ctx, local_ip6[0]), CTX(ctx, local_ip6[1]),
			CTX(ctx, local_ip6[2]), CTX(ctx, local_ip6[3]));
	out->port = (__u16)CTX(ctx, local_port);
}

static __always_inline void remote_of(struct bpf_sock_ops *ctx, struct culvert_address *out)
{
	if (CTX(ctx, family) == AF_INET)
		set_ip4(out->ip, CTX(ctx, remote_ip4));
	else
		set_ip6(out->ip, CTX(ctx, remote_ip6[0]), CTX(ctx, remote_ip6[1]),
			CTX(ctx, remote_ip6[2]), CTX(ctx, remote_ip6[3]));
	/* 32 bits in network order, the port in the lower half of the number */
	out->port = (__u16)bpf_ntohl(CTX(ctx, remote_port));
}

/* Have the program called at every change of state; another program's wishes stay. */
static __always_inline void want_state_changes(struct bpf_sock_ops *ctx)
{
	bpf_sock_ops_cb_flags_set(ctx,
				  CTX(ctx, bpf_sock_ops_cb_flags) | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* Deletes what the closing socket left in `map`. Its ends may belong to another socket by now. */
static __always_inline void delete_own(void *map, const struct connection_key *key, __u64 socket)
{
	const struct connection_peer *left = bpf_map_lookup_elem(map, key);

	if (left && left->socket_cookie == socket)
		bpf_map_delete_elem(map, key);
}

#endif
