/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* policy: culvert_judge() over the live maps, for every program that asks for a verdict. */
#ifndef CULVERT_BPF_POLICY_H
#define CULVERT_BPF_POLICY_H

#include "maps.h"

#define VERDICT_FIND_SET(number) bpf_map_lookup_elem(&policy_sets, number)
#define VERDICT_FIND_IDENTITY(key) bpf_map_lookup_elem(&policy_identities, key)
#define VERDICT_FIND_SOURCE(key) bpf_map_lookup_elem(&policy_sources, key)
#define VERDICT_FIND_PORT(key) bpf_map_lookup_elem(&policy_ports, key)
#define VERDICT_FIND_CELL(key) bpf_map_lookup_elem(&policy_cells, key)
#include "culvert/verdict_lookup.h"

#endif
