/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * maps: the maps of a node, each declared once (weak: one map in however many files of an object).
 * Shapes and meaning are in abi.h and verdict.h; capacities are set by user space before load.
 * `destinations` and `settings` have a header of their own, and so has `events`.
 */
#ifndef CULVERT_BPF_MAPS_H
#define CULVERT_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "culvert/abi.h"
#include "culvert/verdict.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct pod_entry);
} pods SEC(".maps") __weak;

/* flows and peers are preallocated: an insert fails only when the map is full. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct connection_key);
	__type(value, struct connection_peer);
} flows SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct connection_key);
	__type(value, struct connection_peer);
} peers SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_state);
} sockets SEC(".maps") __weak;

/*
 * The policy sets (verdict.h): written by user space only, each before any pod refers to it, and
 * removed when no program can be reading it any more.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct policy_set_entry);
} policy_sets SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct policy_identity_key);
	__type(value, struct policy_class);
} policy_identities SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct policy_source_key);
	__type(value, struct policy_class);
} policy_sources SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct policy_port_key);
	__type(value, struct policy_class);
} policy_ports SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct policy_cell_key);
	__type(value, struct policy_cell);
} policy_cells SEC(".maps") __weak;

#endif
