// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * inbound: sk_lookup on a pod's namespace, one instance a pod (the hook does not say in which
 * namespace it runs). Every TCP connection from outside goes to the daemon's listener, whatever its
 * port and whether anything listens there, unless the pod's maps say that it may go straight to the
 * application. Fail closed: in doubt it is steered; SK_DROP, which the kernel answers with RST,
 * where nobody takes it.
 */
#include "address.h"
#include "destinations.h"
#include "events.h"

/* Listening sockets by enum inbound_listener. A socket that closes leaves the map by itself. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, INBOUND_LISTENER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} inbound_listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct inbound_steering);
} inbound_steering SEC(".maps");

/* Most pods name no port, or two. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, INBOUND_PORTS_MAX);
	__type(key, __u16);
	__type(value, struct inbound_port);
} inbound_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, INBOUND_NODES_MAX);
	__type(key, struct inbound_node_key);
	__type(value, __u32);
} inbound_nodes SEC(".maps");

static __always_inline void both_ends(struct bpf_sk_lookup *ctx, __u8 *local, __u8 *remote)
{
	if (CTX(ctx, family) == AF_INET) {
		set_ip4(local, CTX(ctx, local_ip4));
		set_ip4(remote, CTX(ctx, remote_ip4));
	} else {
		set_ip6(local, CTX(ctx, local_ip6[0]), CTX(ctx, local_ip6[1]),
			CTX(ctx, local_ip6[2]), CTX(ctx, local_ip6[3]));
		set_ip6(remote, CTX(ctx, remote_ip6[0]), CTX(ctx, remote_ip6[1]),
			CTX(ctx, remote_ip6[2]), CTX(ctx, remote_ip6[3]));
	}
}

/*
 * The pod with itself, or the daemon with an application. Not told by the interface, which is
 * eth0's for a pod's own address. From the wire the kernel drops such packets as martian, all but
 * IPv6 with source and destination alike, whose answers go to the pod itself.
 */
static __always_inline bool is_own_connection(const __u8 *local, const __u8 *remote)
{
	return is_loopback(local) || is_loopback(remote) || same_ip(local, remote);
}

/* What the pod's maps say of a connection. */
struct inbound_rule {
	enum inbound_steer steer;
	bool is_probe;
};

static __always_inline bool is_node(const __u8 *ip)
{
	struct inbound_node_key key;

	__builtin_memcpy(key.ip, ip, sizeof(key.ip));
	return bpf_map_lookup_elem(&inbound_nodes, &key);
}

static __always_inline __u32 version_of(const struct inbound_steering *steering)
{
	return *(const volatile __u32 *)&steering->version;
}

/* false: the maps were being changed, and what was read may be of two states */
static __always_inline bool find_rule(__u16 port, const __u8 *remote, struct inbound_rule *rule)
{
	__u32 only = 0, version;
	const struct inbound_steering *steering = bpf_map_lookup_elem(&inbound_steering, &only);
	const struct inbound_port *found;

	if (!steering)
		return false;
	version = version_of(steering);
	rule->steer = steering->everywhere;
	found = bpf_map_lookup_elem(&inbound_ports, &port);
	if (found) {
		rule->steer = found->steer;
		rule->is_probe = found->probe == PROBE_PORT && is_node(remote);
	}
	return !(version & 1) && version == version_of(steering);
}

/* Any port of a workload has its address in `destinations`, with port 0. */
static __always_inline bool may_be_meshed(const __u8 *ip)
{
	return !is_complete() || find_destination(ip, 0);
}

/* Straight to the application, as if culvert were not there. */
static __always_inline bool is_passed(__u16 port, const __u8 *remote)
{
	struct inbound_rule rule = {};

	if (!find_rule(port, remote, &rule))
		return false;
	if (rule.is_probe) {
		COUNT(passed_probe);
		return true;
	}
	if (rule.steer == STEER_NONE || (rule.steer == STEER_MESHED && !may_be_meshed(remote))) {
		COUNT(passed_plaintext);
		return true;
	}
	return false;
}

SEC("sk_lookup")
int inbound(struct bpf_sk_lookup *ctx)
{
	__u32 which = ctx->family == AF_INET ? INBOUND_LISTENER_V4 : INBOUND_LISTENER_V6;
	__u8 local[16], remote[16];
	struct bpf_sock *listener;
	long error;

	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	both_ends(ctx, local, remote);
	if (is_own_connection(local, remote))
		return SK_PASS;
	if (is_reserved((__u16)ctx->local_port)) {
		COUNT(refused_reserved_port);
		return SK_DROP;
	}
	if (is_passed((__u16)ctx->local_port, remote))
		return SK_PASS;
	listener = bpf_map_lookup_elem(&inbound_listeners, &which);
	if (!listener) {
		COUNT(refused_no_daemon);
		return SK_DROP;
	}
	error = bpf_sk_assign(ctx, listener, 0);
	bpf_sk_release(listener);
	if (error) {
		COUNT(refused_no_daemon);
		return SK_DROP;
	}
	COUNT(steered);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
