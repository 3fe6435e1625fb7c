/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * last_word: what becomes of a TCP connect(2) of the daemon. Whatever the daemon believes, an
 * application is reached only where the pod's policy set allows the client that the daemon
 * announced on this very socket. Fail closed: EPERM.
 *
 *   pass      outside the pods; to the pod's own inbound listener (a pod that reaches itself
 *             through a Service); to another address, unannounced: a tunnel
 *   judge     to loopback or an address of the pod's own; and wherever else, if it was announced
 *   refuse    what should be judged and cannot be
 */
#ifndef CULVERT_BPF_LAST_WORD_H
#define CULVERT_BPF_LAST_WORD_H

#include "connect.h"
#include "events.h"
#include "policy.h"

static __always_inline bool is_inbound_listener(const struct culvert_address *to)
{
	__u8 loopback[16];

	if (to->port != CULVERT_INBOUND_PORT)
		return false;
	set_ip4(loopback, bpf_htonl(INADDR_LOOPBACK));
	if (same_ip(to->ip, loopback))
		return true;
	set_ip6(loopback, 0, 0, 0, bpf_htonl(1));
	return same_ip(to->ip, loopback);
}

static __always_inline bool leads_home(const struct pod_entry *pod, const __u8 *ip)
{
	return is_loopback(ip) || is_unspecified(ip) || is_own(pod, ip);
}

static __always_inline int judge(__u32 set, const struct socket_state *client,
				 const struct culvert_address *to)
{
	struct verdict_question question = {
		.set = set,
		.identity = client->identity,
		.port = to->port,
		.is_v6 = !is_v4(to->ip),
	};
	struct verdict_answer answer;

	__builtin_memcpy(question.client, client->peer.ip, sizeof(question.client));
	culvert_judge(&question, &answer);
	if (answer.verdict == VERDICT_ALLOW) {
		COUNT(permitted);
		return CONNECT_PASS;
	}
	if (bpf_map_lookup_elem(&policy_sets, &set))
		COUNT(refused_policy);
	else
		COUNT(refused_no_policy);
	return CONNECT_REFUSE;
}

static __always_inline int last_word(struct bpf_sock_addr *ctx, const struct culvert_address *to)
{
	const struct socket_state *state = bpf_sk_storage_get(&sockets, ctx->sk, NULL, 0);
	bool announced = state && state->role == SOCKET_ANNOUNCE;
	bool settled;
	struct pod_entry pod = {};

	settled = find_pod(bpf_get_netns_cookie(ctx), &pod);
	if (settled && !pod.mesh && !announced)
		return CONNECT_PASS; /* no pod's: the node's own business */
	if (settled && !announced && !leads_home(&pod, to->ip))
		return CONNECT_PASS;
	if (is_inbound_listener(to))
		return CONNECT_PASS;
	if (!settled || !pod.policy_set) {
		COUNT(refused_no_policy);
		return CONNECT_REFUSE;
	}
	if (!state || !announced) {
		COUNT(refused_unannounced);
		return CONNECT_REFUSE;
	}
	if (state->identity == IDENTITY_NONE && pod.plaintext != POD_PLAINTEXT_TAKEN) {
		COUNT(refused_plaintext);
		return CONNECT_REFUSE;
	}
	return judge(pod.policy_set, state, to);
}

#endif
