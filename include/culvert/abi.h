/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * abi: the one contract between bpf/ and userspace/. Valid C11 and C++23; padding written out,
 * sizes asserted. Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; ports are in
 * host order, so that `bpftool map dump pinned ...` reads like a table.
 */
#ifndef CULVERT_ABI_H
#define CULVERT_ABI_H

#include <linux/types.h>

#ifndef __cplusplus
#define culvert_static_assert _Static_assert
#else
#define culvert_static_assert static_assert
#endif

enum culvert_port {
	CULVERT_OUTBOUND_PORT = 15001, /* pod loopback: connections of the pod's applications */
	CULVERT_INBOUND_PORT = 15006, /* pod loopback: tunnels to the pod, by sk_lookup only */
};

struct culvert_address {
	__u8 ip[16];
	__u16 port; /* host order; 0: none */
	__u8 pad[6];
};
culvert_static_assert(sizeof(struct culvert_address) == 16 + 2 + 6, "culvert_address");

/* map pods: HASH, netns cookie -> pod_entry. A pod under our cgroup that is not here is unknown:
 * it may reach what is not meshed, and nothing that is. */
enum pod_mesh {
	POD_PLAIN = 1, /* known, not in the mesh: never captured */
	POD_MESHED = 2,
};
/* Whether the daemon may connect to the pod's applications for a client that proved no identity. */
enum pod_plaintext {
	POD_PLAINTEXT_REFUSED = 0, /* every port is in mode STRICT */
	POD_PLAINTEXT_TAKEN = 1, /* some port is not */
};
struct pod_entry {
	__u8 ip4[16]; /* the pod's own addresses, zero: none */
	__u8 ip6[16];
	enum pod_mesh mesh;
	__u32 policy_set; /* number of its policy set; 0: not there yet: nothing may connect */
	enum pod_plaintext plaintext;
	__u32 pad;
};
culvert_static_assert(sizeof(struct pod_entry) == 16 + 16 + 4 + 4 + 4 + 4, "pod_entry");

/* map destinations: HASH, destination_key -> destination. Looked up with the port (a Service, or a
 * port that differs from its workload), then with port 0 (every other port of a workload). Absent:
 * not in the mesh, passed untouched. An address that is here with port 0 is a meshed workload's. */
struct destination_key {
	__u8 ip[16];
	__u16 port; /* host order; 0: every port */
	__u8 pad[2];
};
culvert_static_assert(sizeof(struct destination_key) == 16 + 2 + 2, "destination_key");
enum destination_kind {
	DESTINATION_WORKLOAD = 1,
	DESTINATION_SERVICE = 2,
	DESTINATION_CLEAR = 3, /* desired state has it reached in plaintext: passed untouched */
};
struct destination {
	enum destination_kind kind;
};
culvert_static_assert(sizeof(struct destination) == 4, "destination");

/* map settings: ARRAY of one. While `destinations` does not hold the whole mesh (before the first
 * snapshot, or because it is full) a destination that is not found may be a meshed one, and one in
 * clear may have ports that are not: refused. */
enum destinations_state {
	DESTINATIONS_INCOMPLETE = 0,
	DESTINATIONS_COMPLETE = 1,
};
struct settings {
	enum destinations_state destinations;
};
culvert_static_assert(sizeof(struct settings) == 4, "settings");

/* maps flows and peers: HASH, both ends of a connection inside a pod, as the connecting side names
 * them -> whom it is really between.
 * flows: an application's captured socket -> the destination it asked for. The daemon takes it
 *        (lookup and delete) when it accepts. `to` is zero: captured sockets all have the same one.
 * peers: the daemon's socket towards an application -> the client to announce. Moved into the
 *        accepted socket's storage when the application's kernel side is established.
 * What is left is deleted when the connecting socket closes, and only by that socket. */
struct connection_key {
	__u64 netns_cookie;
	struct culvert_address from;
	struct culvert_address to;
};
culvert_static_assert(sizeof(struct connection_key) == 8 + 24 + 24, "connection_key");
struct connection_peer {
	struct culvert_address peer;
	__u64 socket_cookie; /* of the connecting socket, SO_COOKIE */
};
culvert_static_assert(sizeof(struct connection_peer) == 24 + 8, "connection_peer");

/* map sockets: SK_STORAGE, what a socket's owner is to see as its peer (getpeername, accept).
 * CAPTURED: set by the connect hook: the destination the application asked for.
 * ACCEPTED: set at passive establishment: the client beyond the tunnel.
 * ANNOUNCE: set by the daemon on its own socket before it connects to an application. */
enum socket_role {
	SOCKET_CAPTURED = 1,
	SOCKET_ACCEPTED = 2,
	SOCKET_ANNOUNCE = 3,
};
struct socket_state {
	struct culvert_address peer;
	enum socket_role role;
	__u32 identity; /* ANNOUNCE: number of the client's SPIFFE ID; IDENTITY_NONE: plaintext */
};
culvert_static_assert(sizeof(struct socket_state) == 24 + 4 + 4, "socket_state");

/* map events: PERCPU_ARRAY of one, what the programs did. A refused connect gets ECONNREFUSED, one
 * of the daemon EPERM. */
struct capture_events {
	__u64 captured; /* connect: steered to the daemon */
	__u64 passed_self; /* connect: loopback or the pod's own address */
	__u64 steered; /* sk_lookup: a tunnel handed to the inbound listener */
	__u64 unbound; /* connect: captured, but getsockname(2) will not show the pod's address */
	__u64 unannounced; /* sock_ops: the application sees the daemon's address, not the client's
			    */
	__u64 refused_unknown_pod; /* connect: meshed destination, pod not known */
	__u64 refused_reserved_port; /* connect or sk_lookup: aimed at 15001 or 15006 */
	__u64 refused_incomplete; /* connect: not found, or in clear, while destinations is
				     incomplete */
	__u64 refused_no_storage; /* connect: no memory for the socket's storage */
	__u64 refused_device; /* connect: SO_BINDTODEVICE could not be undone */
	__u64 refused_flows_full; /* sock_ops: no room in flows; the daemon will refuse it */
	__u64 refused_no_daemon; /* sk_lookup: no inbound listener: answered with RST */
	__u64 permitted; /* connect of the daemon to an application: the policy set allows it */
	__u64 refused_policy; /* the same: the policy set denies it */
	__u64 refused_no_policy; /* the same: the pod is gone, or has no policy set */
	__u64 refused_unannounced; /* the same: the daemon did not say for whom */
	__u64 refused_plaintext; /* the same: for nobody, and every port of the pod is STRICT */
	__u64 passed_clear; /* connect: a meshed destination that is reached in clear */
	__u64 passed_plaintext; /* sk_lookup: straight to the application, by its port's mode */
	__u64 passed_probe; /* sk_lookup: the same, from the node to a probe's port */
};
culvert_static_assert(sizeof(struct capture_events) == 20 * 8, "capture_events");

/* The maps of `inbound` are one set per pod, and new with each daemon.
 * map inbound_listeners: SOCKMAP by family. */
enum inbound_listener {
	INBOUND_LISTENER_V4,
	INBOUND_LISTENER_V6,
	INBOUND_LISTENER_COUNT,
};

/* map inbound_steering: ARRAY of one, which connections the daemon gets on ports that are not in
 * inbound_ports. `version` is odd while any of these maps is being changed: everything is steered,
 * as in the beginning; who finds another version behind his other reads than before steers too. */
enum inbound_steer {
	STEER_ALL = 0,
	STEER_MESHED = 1, /* what comes from a meshed workload's address: it may be a tunnel */
	STEER_NONE = 2,
};
struct inbound_steering {
	__u32 version;
	enum inbound_steer everywhere;
};
culvert_static_assert(sizeof(struct inbound_steering) == 4 + 4, "inbound_steering");

/* map inbound_ports: HASH, port in host order -> inbound_port. */
enum inbound_probe {
	PROBE_NONE = 0,
	PROBE_PORT = 1, /* passed if it comes from an address in inbound_nodes */
};
struct inbound_port {
	enum inbound_steer steer;
	enum inbound_probe probe;
};
culvert_static_assert(sizeof(struct inbound_port) == 4 + 4, "inbound_port");

/* map inbound_nodes: HASH, the node's own addresses, as the pod sees them -> 1. */
struct inbound_node_key {
	__u8 ip[16];
};
culvert_static_assert(sizeof(struct inbound_node_key) == 16, "inbound_node_key");
enum inbound_capacity {
	INBOUND_PORTS_MAX = 1024,
	INBOUND_NODES_MAX = 64,
};

#endif
