// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * connect6: cgroup/connect6 on the pods' cgroup: connect(2) of IPv6 sockets, whose destination may
 * be an IPv4 one (::ffff:a.b.c.d). Outbound, fail closed.
 */
#include "outbound.h"

/* As in connect4. */
static __always_inline void bind_to_pod(struct bpf_sock_addr *ctx, const __u8 *ip)
{
	struct sockaddr_in6 address = {};
	struct bpf_sock *sk = ctx->sk;

	if (sk->src_ip6[0] || sk->src_ip6[1] || sk->src_ip6[2] || sk->src_ip6[3] || is_none(ip))
		return;
	address.sin6_family = AF_INET6;
	__builtin_memcpy(&address.sin6_addr, ip, sizeof(address.sin6_addr));
	if (bpf_bind(ctx, (struct sockaddr *)&address, sizeof(address)))
		COUNT(unbound);
}

static __always_inline bool is_link_local(const __be32 *ip)
{
	return (ip[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/*
 * The daemon listens on every address of the pod; a socket that has one is sent there, any other to
 * ::1. Never from an own address to ::1: what the kernel sends to ::1 for a socket that is gone (a
 * reset, the last acknowledgement of TIME_WAIT) leaves by the interface the packet came in by
 * (rt6_need_strict in net/ipv6/tcp_ipv6.c), which is eth0 for a pod's own address, and there it is
 * lost. The daemon's side would then hang in LAST_ACK, and block the port for minutes.
 */
static __always_inline void aim_at_daemon(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	__be32 own[4] = {sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]};

	if (!(own[0] | own[1] | own[2] | own[3]) || is_link_local(own)) {
		own[0] = own[1] = own[2] = 0;
		own[3] = bpf_htonl(1);
	}
	ctx->user_ip6[0] = own[0];
	ctx->user_ip6[1] = own[1];
	ctx->user_ip6[2] = own[2];
	ctx->user_ip6[3] = own[3];
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct culvert_address to = {.port = bpf_ntohs(ctx->user_port)};
	struct pod_entry pod = {};

	if (ctx->protocol != IPPROTO_TCP)
		return CONNECT_PASS;
	set_ip6(to.ip, ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
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
	if (is_v4(to.ip)) {
		bind_to_pod(ctx, pod.ip4);
		ctx->user_ip6[2] = bpf_htonl(0xffff);
		ctx->user_ip6[3] = bpf_htonl(INADDR_LOOPBACK);
	} else {
		bind_to_pod(ctx, pod.ip6);
		aim_at_daemon(ctx);
	}
	ctx->user_port = bpf_htons(CULVERT_OUTBOUND_PORT);
	return CONNECT_PASS;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
