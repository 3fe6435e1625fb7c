/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * verdict: may this connection be made? One lookup, compiled into BPF and into user space; its cost
 * does not depend on the number of policies.
 *
 * A policy set is what applies to one workload. Its number is never used again for other contents:
 * a change is written aside under a new number and published by one update of the pod's entry in
 * `pods`, so that a reader sees the old set or the new one, and never a mixture. The old one is
 * removed when no lookup that began before can still be under way: half of a set may say ALLOW.
 *
 *   1 identity   number of the client's SPIFFE ID  → class     policy_identities, absent: class 0
 *   2 source     the client's address              → class     policy_sources (longest prefix), 0
 *   3 port       the workload's port and family    → class     policy_ports, absent: class 0
 *   4 cells      the classes                       → DENY or ALLOW, and the policy that says so
 *
 * A cell leaves open what it does not ask about: its class there is VERDICT_ANY. `shapes` of a set
 * says which combinations it has cells for, one bit each; most sets have one or two. A DENY in any
 * of them wins, then an ALLOW in any of them, then the set's `otherwise`. Classes are numbered per
 * set. The lookup itself is verdict_lookup.h.
 */
#ifndef CULVERT_VERDICT_H
#define CULVERT_VERDICT_H

#include "culvert/abi.h"

#define VERDICT_ANY 0xffffffffU
#define VERDICT_SHAPES 8

/* The number of a SPIFFE ID on this node, given out by user space, never used again for another. */
enum culvert_identity {
	IDENTITY_NONE = 0, /* plaintext: the client has proved nothing */
};

enum culvert_verdict {
	VERDICT_DENY = 1,
	VERDICT_ALLOW = 2,
};

/* map policy_sets: HASH, number -> policy_set_entry. Absent: denied. */
enum verdict_shape { /* bits of a shape's number: what its cells ask about */
		     SHAPE_IDENTITY = 1,
		     SHAPE_SOURCE = 2,
		     SHAPE_PORT = 4,
};
struct policy_set_entry {
	enum culvert_verdict otherwise; /* where no cell says anything */
	__u16 policy; /* index, in the set, of the policy to name then; VERDICT_NO_POLICY: none */
	__u8 shapes; /* bit N: there are cells of shape N */
	__u8 asks; /* enum verdict_shape: the classes that have to be looked up at all */
};
culvert_static_assert(sizeof(struct policy_set_entry) == 4 + 2 + 1 + 1, "policy_set_entry");
#define VERDICT_NO_POLICY 0xffff

/* map policy_identities: HASH -> class */
struct policy_identity_key {
	__u32 set;
	__u32 identity;
};
culvert_static_assert(sizeof(struct policy_identity_key) == 4 + 4, "policy_identity_key");

/* map policy_sources: LPM_TRIE -> class */
struct policy_source_key {
	__u32 prefix_bits; /* of what follows: 32 + those of the address (IPv4: 96 more) */
	__be32 set; /* network order, so that it is a prefix */
	__u8 ip[16];
};
culvert_static_assert(sizeof(struct policy_source_key) == 4 + 4 + 16, "policy_source_key");

/* map policy_ports: HASH -> class. A pod has one address of each family: which one the client
 * asked for stands for destination.ip. The port that no policy names is 0, for either family. */
struct policy_port_key {
	__u32 set;
	__u16 port; /* host order; 0: any that is not listed */
	__u16 is_v6; /* of the workload's own address */
};
culvert_static_assert(sizeof(struct policy_port_key) == 4 + 2 + 2, "policy_port_key");

struct policy_class {
	__u32 number;
};
culvert_static_assert(sizeof(struct policy_class) == 4, "policy_class");

/* map policy_cells: HASH -> policy_cell */
struct policy_cell_key {
	__u32 set;
	__u32 identity; /* classes, or VERDICT_ANY */
	__u32 source;
	__u32 port;
};
culvert_static_assert(sizeof(struct policy_cell_key) == 4 * 4, "policy_cell_key");
struct policy_cell {
	enum culvert_verdict verdict;
	__u16 policy; /* index in the set of the first policy that says so */
	__u16 pad;
};
culvert_static_assert(sizeof(struct policy_cell) == 4 + 2 + 2, "policy_cell");

/* What is judged, and the answer. */
struct verdict_question {
	__u32 set;
	__u32 identity;
	__u8 client[16]; /* the client's own address, IPv4 as ::ffff:a.b.c.d */
	__u16 port; /* the workload's, host order */
	__u16 is_v6; /* of the workload's address */
};
culvert_static_assert(sizeof(struct verdict_question) == 4 + 4 + 16 + 2 + 2, "verdict_question");
struct verdict_answer {
	enum culvert_verdict verdict;
	__u16 policy; /* index in the set; VERDICT_NO_POLICY: no policy decided */
	__u16 pad;
};
culvert_static_assert(sizeof(struct verdict_answer) == 4 + 2 + 2, "verdict_answer");

/* What bpf/verdict_probe is run on. */
struct verdict_probe {
	struct verdict_question question;
	struct verdict_answer answer;
};
culvert_static_assert(sizeof(struct verdict_probe) == 28 + 8, "verdict_probe");

#endif
