/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* connect: what every program on a connect hook needs: its answers, and the pod of its socket. */
#ifndef CULVERT_BPF_CONNECT_H
#define CULVERT_BPF_CONNECT_H

#include "address.h"
#include "maps.h"

/* What a program on a connect hook answers. */
enum connect_answer {
	CONNECT_REFUSE = 0,
	CONNECT_PASS = 1,
};

#define POD_READS 8

/*
 * Global functions: the verifier looks at each once, by itself, and then believes the callers. In
 * line, it follows every way through every read, which took 6.1 half a million steps at each start.
 * It demands that they can cope with NULL, and that what they write into was initialised.
 */

/* Absent: all zero. */
__weak __noinline int read_pod(__u64 netns_cookie, struct pod_entry *pod)
{
	const struct pod_entry *found = bpf_map_lookup_elem(&pods, &netns_cookie);

	if (!pod)
		return 0;
	if (found)
		__builtin_memcpy(pod, found, sizeof(*pod));
	else
		__builtin_memset(pod, 0, sizeof(*pod));
	return 0;
}

static __always_inline bool is_same_pod(const struct pod_entry *one, const struct pod_entry *other)
{
	return !(ip_difference(one->ip4, other->ip4) | ip_difference(one->ip6, other->ip6) |
		 (one->mesh ^ other->mesh) | (one->policy_set ^ other->policy_set) |
		 (one->plaintext ^ other->plaintext));
}

/*
 * A copy of the pod's entry; of an unknown pod all zero (mesh is neither POD_PLAIN nor POD_MESHED).
 * Two reads that agree are believed, one is not: an element of a hash that was replaced is used
 * again at once, for another pod, while a program may still read it; and a lookup that meets a
 * replacement in its bucket can miss both the old and the new. false: they never agreed.
 */
__weak __noinline bool find_pod(__u64 netns_cookie, struct pod_entry *pod)
{
	struct pod_entry again = {};

	if (!pod)
		return false;
	read_pod(netns_cookie, pod);
	for (int count = 1; count < POD_READS; count++) {
		read_pod(netns_cookie, &again);
		if (is_same_pod(pod, &again))
			return true;
		__builtin_memcpy(pod, &again, sizeof(*pod));
	}
	__builtin_memset(pod, 0, sizeof(*pod));
	return false;
}

static __always_inline bool is_own(const struct pod_entry *pod, const __u8 *ip)
{
	return same_ip(pod->ip4, ip) || same_ip(pod->ip6, ip);
}

#endif
