// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * verdict_probe: attached nowhere; run by BPF_PROG_TEST_RUN on a struct verdict_probe, to ask the
 * live maps what the last word would be. XDP, because it may be run so, reads and writes what it is
 * run on, and may look up an LPM trie: "syscall" programs sleep, and those may not on Linux 6.12.
 */
#include "policy.h"

SEC("xdp")
int verdict_probe(struct xdp_md *ctx)
{
	struct verdict_probe *probe = (void *)(long)ctx->data;
	struct verdict_question question;
	struct verdict_answer answer;

	if ((void *)(probe + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(&question, &probe->question, sizeof(question));
	culvert_judge(&question, &answer);
	__builtin_memcpy(&probe->answer, &answer, sizeof(answer));
	return XDP_PASS;
}

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";
