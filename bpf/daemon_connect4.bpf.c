// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * daemon_connect4: cgroup/connect4 on the daemon's own cgroup: connect(2) of its IPv4 sockets.
 * Inbound: the kernel's last word before an application is reached. Fail closed.
 */
#include "last_word.h"

SEC("cgroup/connect4")
int daemon_connect4(struct bpf_sock_addr *ctx)
{
	struct culvert_address to = {.port = bpf_ntohs(ctx->user_port)};

	if (ctx->protocol != IPPROTO_TCP)
		return CONNECT_PASS;
	set_ip4(to.ip, ctx->user_ip4);
	return last_word(ctx, &to);
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
