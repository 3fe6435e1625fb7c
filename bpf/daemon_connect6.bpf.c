// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * daemon_connect6: cgroup/connect6 on the daemon's own cgroup: connect(2) of its IPv6 sockets,
 * whose destination may be an IPv4 one (::ffff:a.b.c.d). Inbound: the kernel's last word before an
 * application is reached. Fail closed.
 */
#include "last_word.h"

SEC("cgroup/connect6")
int daemon_connect6(struct bpf_sock_addr *ctx)
{
	struct culvert_address to = {.port = bpf_ntohs(ctx->user_port)};

	if (ctx->protocol != IPPROTO_TCP)
		return CONNECT_PASS;
	set_ip6(to.ip, ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
	return last_word(ctx, &to);
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
