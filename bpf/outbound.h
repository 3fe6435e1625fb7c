/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * outbound: what becomes of a TCP connect(2) from below the pods' cgroup. Fail closed: a meshed
 * destination is captured or refused, never passed, whatever goes wrong, unless desired state says
 * that it is reached in clear.
 *
 *   1 judge    pass, capture or refuse
 *   2 capture  remember where it wanted to go (storage), free it from a device
 *   3 (connect4, connect6) give it the pod's address, aim it at the daemon's listener
 */
#ifndef CULVERT_BPF_OUTBOUND_H
#define CULVERT_BPF_OUTBOUND_H

#include <asm/errno.h>
#include <asm/socket.h>

#include "connect.h"
#include "destinations.h"
#include "events.h"

enum outbound_verdict {
	OUTBOUND_PASS,
	OUTBOUND_CAPTURE,
	OUTBOUND_REFUSE,
};

static __always_inline enum outbound_verdict judge(const struct pod_entry *pod,
						   const struct culvert_address *to)
{
	bool complete;
	__u32 kind;

	if (pod->mesh == POD_PLAIN)
		return OUTBOUND_PASS;
	if (is_loopback(to->ip) || is_unspecified(to->ip) || is_own(pod, to->ip)) {
		if (is_reserved(to->port)) {
			COUNT(refused_reserved_port);
			return OUTBOUND_REFUSE;
		}
		COUNT(passed_self);
		return OUTBOUND_PASS;
	}
	complete = is_complete();
	kind = find_destination(to->ip, to->port);
	/* Also in clear: a port of it that is to be captured may be what did not fit. */
	if (!is_captured_kind(kind) && !complete) {
		COUNT(refused_incomplete);
		return OUTBOUND_REFUSE;
	}
	if (!kind)
		return OUTBOUND_PASS;
	if (kind == DESTINATION_CLEAR && !is_reserved(to->port)) {
		COUNT(passed_clear);
		return OUTBOUND_PASS;
	}
	if (pod->mesh != POD_MESHED) {
		COUNT(refused_unknown_pod);
		return OUTBOUND_REFUSE;
	}
	if (is_reserved(to->port) && kind != DESTINATION_SERVICE) {
		COUNT(refused_reserved_port);
		return OUTBOUND_REFUSE;
	}
	return OUTBOUND_CAPTURE;
}

/* false: it cannot be captured, and has to be refused */
static __always_inline bool capture(struct bpf_sock_addr *ctx, const struct culvert_address *to)
{
	struct socket_state *state;

	state = bpf_sk_storage_get(&sockets, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state) {
		COUNT(refused_no_storage);
		return false;
	}
	state->peer = *to;
	state->role = SOCKET_CAPTURED;

	/* A socket bound to eth0 does not reach loopback. */
	if (ctx->sk->bound_dev_if) {
		char none[4] = {};

		if (bpf_setsockopt(ctx, SOL_SOCKET, SO_BINDTODEVICE, none, sizeof(none))) {
			COUNT(refused_device);
			return false;
		}
	}
	COUNT(captured);
	return true;
}

/* A socket may connect again after it was captured: it must not show its old peer. */
static __always_inline int pass(struct bpf_sock_addr *ctx)
{
	bpf_sk_storage_delete(&sockets, ctx->sk);
	return CONNECT_PASS;
}

/* As if nothing listened there, which every application is prepared for (unlike EPERM). */
static __always_inline int refuse(struct bpf_sock_addr *ctx)
{
	bpf_sk_storage_delete(&sockets, ctx->sk);
	bpf_set_retval(-ECONNREFUSED);
	return CONNECT_REFUSE;
}

#endif
