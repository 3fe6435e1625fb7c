// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * daemon_sockops: sock_ops on the daemon's own cgroup. Inbound: the daemon's sockets towards
 * applications.
 *
 *   connecting      a socket on which the daemon announced a client now has its own address: into
 *                   peers, where pod_sockops finds the client when the application's side is up
 *   closed          what was not taken is deleted
 *
 * The socket cannot be stopped here. peers has room for more sockets than the daemon may hold, so
 * that it is never full; should it be, the application sees the daemon's address: counted.
 */
#include "events.h"
#include "maps.h"
#include "sockops.h"

static __always_inline void peer_key(struct bpf_sock_ops *ctx, struct connection_key *key)
{
	key->netns_cookie = bpf_get_netns_cookie(ctx);
	local_of(ctx, &key->from);
	remote_of(ctx, &key->to);
}

static __always_inline void connecting(struct bpf_sock_ops *ctx)
{
	struct connection_key key = {};
	struct connection_peer client = {};
	struct bpf_sock *sk = ctx->sk;
	const struct socket_state *state;

	if (!sk)
		return;
	state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!state || state->role != SOCKET_ANNOUNCE)
		return;
	peer_key(ctx, &key);
	client.peer = state->peer;
	client.socket_cookie = bpf_get_socket_cookie(ctx);
	if (bpf_map_update_elem(&peers, &key, &client, BPF_ANY)) {
		COUNT(unannounced);
		return;
	}
	want_state_changes(ctx);
}

static __always_inline void closed(struct bpf_sock_ops *ctx)
{
	struct connection_key key = {};

	peer_key(ctx, &key);
	delete_own(&peers, &key, bpf_get_socket_cookie(ctx));
}

SEC("sockops")
int daemon_sockops(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		connecting(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			closed(ctx);
		break;
	}
	return 1;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
