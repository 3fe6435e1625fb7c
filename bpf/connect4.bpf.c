// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * connect4: cgroup/connect4 on the pods' cgroup: connect(2) of IPv4 sockets. Outbound, fail closed.
 */
#include "outbound.h"

/*
 * getsockname(2) is to show the pod's address, not loopback. A socket that its application bound
 * keeps what it has; if the address cannot be had the connection is none the worse for it.
 */
static __always_inline void bind_to_pod(struct bpf_sock_addr *ctx, const struct pod_entry *pod)
{
	struct sockaddr_in address = {};

	if (ctx->sk->src_ip4 || is_none(pod->ip4))
		return;
	address.sin_family = AF_INET;
	__builtin_memcpy(&address.sin_addr, pod->ip4 + 12, sizeof(address.sin_addr));
	if (bpf_bind(ctx, (struct sockaddr *)&address, sizeof(address)))
		COUNT(unbound);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct culvert_address to = {.port = bpf_ntohs(ctx->user_port)};
	struct pod_entry pod = {};

	if (ctx->protocol != IPPROTO_TCP)
		return CONNECT_PASS;
	set_ip4(to.ip, ctx->user_ip4);
	find_pod(bpf_get_netns_cookie(ctx), &pod); /* zero if it cannot: an unknown pod */

	switch (judge(&pod, &to)) {
	case OUTBOUND_PASS:
		return pass(ctx);
	case OUTBOUND_REFUSE:
		return refuse(ctx);
	case OUTBOUND_CAPTURE:
		break;
	}
	if (!capture(ctx, &to))
		return refuse(ctx);
	bind_to_pod(ctx, &pod);
	ctx->user_ip4 = bpf_htonl(INADDR_LOOPBACK);
	ctx->user_port = bpf_htons(CULVERT_OUTBOUND_PORT);
	return CONNECT_PASS;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
