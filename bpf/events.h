/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* events: what the programs count (struct capture_events in abi.h). */
#ifndef CULVERT_BPF_EVENTS_H
#define CULVERT_BPF_EVENTS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "culvert/abi.h"

/* Weak: the map is one, in however many files of an object it is declared. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct capture_events);
} events SEC(".maps") __weak;

#define COUNT(event)                                                                               \
	do {                                                                                       \
		__u32 only = 0;                                                                    \
		struct capture_events *counts = bpf_map_lookup_elem(&events, &only);               \
		if (counts)                                                                        \
			counts->event++;                                                           \
	} while (0)

#endif
