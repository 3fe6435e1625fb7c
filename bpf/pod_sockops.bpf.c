// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * pod_sockops: sock_ops on the pods' cgroup. Both directions.
 *
 *   connecting      a captured socket now has its own address: into flows, where the daemon finds
 *                   the destination by it. Before the SYN, since data may ride on it (TCP Fast
 *                   Open) and the daemon accept before this side is established.
 *   accepted        from the daemon: the client it announced in peers becomes the socket's peer
 *   closed          what the daemon did not take and will not is deleted
 *
 * Fail closed where it can: a captured connection that is not in flows is refused by the daemon.
 */
#include "events.h"
#include "maps.h"
#include "sockops.h"

static __always_inline void flow_key(struct bpf_sock_ops *ctx, struct connection_key *key)
{
	key->netns_cookie = bpf_get_netns_cookie(ctx);
	local_of(ctx, &key->from);
}

static __always_inline void connecting(struct bpf_sock_ops *ctx)
{
	struct connection_key key = {};
	struct connection_peer flow = {};
	struct bpf_sock *sk = ctx->sk;
	const struct socket_state *state;

	if (!sk)
		return;
	state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!state || state->role != SOCKET_CAPTURED)
		return;
	flow_key(ctx, &key);
	flow.peer = state->peer;
	flow.socket_cookie = bpf_get_socket_cookie(ctx);
	if (bpf_map_update_elem(&flows, &key, &flow, BPF_ANY)) {
		COUNT(refused_flows_full);
		return;
	}
	want_state_changes(ctx);
}

static __always_inline void accepted(struct bpf_sock_ops *ctx)
{
	struct connection_key key = {};
	const struct connection_peer *announced;
	struct bpf_sock *sk = ctx->sk;
	struct socket_state *state;

	if (!sk)
		return;
	key.netns_cookie = bpf_get_netns_cookie(ctx);
	remote_of(ctx, &key.from);
	local_of(ctx, &key.to);
	announced = bpf_map_lookup_elem(&peers, &key);
	if (!announced)
		return;
	state = bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state) {
		COUNT(unannounced);
		return;
	}
	state->peer = announced->peer;
	state->role = SOCKET_ACCEPTED;
	bpf_map_delete_elem(&peers, &key);
}

static __always_inline void closed(struct bpf_sock_ops *ctx)
{
	struct connection_key key = {};

	/*
	 * An application that connects, writes and closes at once: its socket becomes TIME_WAIT as
	 * soon as its FIN is acknowledged, while the connection still waits for the daemon's
	 * accept. Should the daemon never take it, the entry goes when the pod is attached or
	 * forgotten.
	 */
	if (ctx->args[0] == BPF_TCP_FIN_WAIT2)
		return;
	flow_key(ctx, &key);
	delete_own(&flows, &key, bpf_get_socket_cookie(ctx));
}

SEC("sockops")
int pod_sockops(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		connecting(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		accepted(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			closed(ctx);
		break;
	}
	return 1;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
