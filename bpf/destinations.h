/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * destinations: the maps `destinations` and `settings`, and what a program may believe of them: all
 * that ends in plaintext is read twice.
 */
#ifndef CULVERT_BPF_DESTINATIONS_H
#define CULVERT_BPF_DESTINATIONS_H

#include "address.h"

/* Large and mostly empty; filled by user space only, which hears of a failed allocation. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct destination_key);
	__type(value, struct destination);
} destinations SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps") __weak;

/* Ask before looking for a destination: what completes them is written before this says so. */
static __always_inline bool is_complete(void)
{
	__u32 only = 0;
	const struct settings *found = bpf_map_lookup_elem(&settings, &only);

	return found && found->destinations == DESTINATIONS_COMPLETE;
}

/* enum destination_kind; 0: absent */
static __always_inline __u32 read_destination(const __u8 *ip, __u16 port)
{
	struct destination_key key = {.port = port};
	const struct destination *found;

	__builtin_memcpy(key.ip, ip, sizeof(key.ip));
	found = bpf_map_lookup_elem(&destinations, &key);
	if (!found && port) {
		key.port = 0;
		found = bpf_map_lookup_elem(&destinations, &key);
	}
	return found ? found->kind : 0;
}

static __always_inline bool is_captured_kind(__u32 kind)
{
	return kind == DESTINATION_WORKLOAD || kind == DESTINATION_SERVICE;
}

/*
 * The same, sure of what is not to be captured. A lookup that meets a replacement in its bucket can
 * miss both the old and the new element, and an element that was removed is used again at once, for
 * another destination (see find_pod). Either happens once in a change, so the second read is right.
 */
static __always_inline __u32 find_destination(const __u8 *ip, __u16 port)
{
	__u32 kind = read_destination(ip, port);

	return is_captured_kind(kind) ? kind : read_destination(ip, port);
}

#endif
