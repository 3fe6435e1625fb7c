/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * verdict_lookup: culvert_judge(), the one lookup of verdict.h. Valid BPF C for Linux 6.1 and
 * C++23. Included once a program, by those who first define where it looks; each of these yields a
 * pointer, or NULL for what is not there:
 *
 *   VERDICT_FIND_SET(number)    const __u32 *                        → const policy_set_entry *
 *   VERDICT_FIND_IDENTITY(key)  const struct policy_identity_key *   → const policy_class *
 *   VERDICT_FIND_SOURCE(key)    const struct policy_source_key *     → const policy_class *
 *   VERDICT_FIND_PORT(key)      const struct policy_port_key *       → const policy_class *
 *   VERDICT_FIND_CELL(key)      const struct policy_cell_key *       → const policy_cell *
 *   VERDICT_TABLES              optional: a type; culvert_judge() then takes one as its last
 *                               argument, which the lookups see as `tables`
 */
#ifndef CULVERT_VERDICT_LOOKUP_H
#define CULVERT_VERDICT_LOOKUP_H

#include "culvert/verdict.h"

#ifdef VERDICT_TABLES
#define VERDICT_OVER , VERDICT_TABLES tables
#define VERDICT_WITH , tables
#else
#define VERDICT_OVER
#define VERDICT_WITH
#endif
#define VERDICT_INLINE static inline __attribute__((always_inline))

/* What has been looked up, VERDICT_ANY where the set does not ask; and the first policies found
 * that say so, VERDICT_NOT_FOUND (beyond every index) if none does. */
struct verdict_search {
	struct policy_cell_key classes;
	__u32 shapes;
	__u32 deny;
	__u32 allow;
};
#define VERDICT_NOT_FOUND 0x10000U

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define VERDICT_NETWORK_ORDER(number) __builtin_bswap32(number)
#else
#define VERDICT_NETWORK_ORDER(number) (number)
#endif

VERDICT_INLINE __u32 verdict_identity_class(const struct verdict_question *question VERDICT_OVER)
{
	struct policy_identity_key key = {question->set, question->identity};
	const struct policy_class *found = VERDICT_FIND_IDENTITY(&key);

	return found ? found->number : 0;
}

VERDICT_INLINE __u32 verdict_source_class(const struct verdict_question *question VERDICT_OVER)
{
	struct policy_source_key key;

	key.prefix_bits = 8 * (sizeof(key.set) + sizeof(key.ip));
	key.set = VERDICT_NETWORK_ORDER(question->set);
	__builtin_memcpy(key.ip, question->client, sizeof(key.ip));
	const struct policy_class *found = VERDICT_FIND_SOURCE(&key);

	return found ? found->number : 0;
}

VERDICT_INLINE __u32 verdict_port_class(const struct verdict_question *question VERDICT_OVER)
{
	struct policy_port_key key = {question->set, question->port, question->is_v6};
	const struct policy_class *found = VERDICT_FIND_PORT(&key);

	if (!found) {
		key.port = 0;
		found = VERDICT_FIND_PORT(&key);
	}
	return found ? found->number : 0;
}

VERDICT_INLINE void verdict_try_shape(__u32 shape, struct verdict_search *search VERDICT_OVER)
{
	struct policy_cell_key key;

	if (!(search->shapes & (1U << shape)))
		return;
	key.set = search->classes.set;
	key.identity = shape & SHAPE_IDENTITY ? search->classes.identity : VERDICT_ANY;
	key.source = shape & SHAPE_SOURCE ? search->classes.source : VERDICT_ANY;
	key.port = shape & SHAPE_PORT ? search->classes.port : VERDICT_ANY;
	const struct policy_cell *cell = VERDICT_FIND_CELL(&key);

	if (!cell)
		return;
	/* What is not ALLOW denies, also if it is neither. */
	if (cell->verdict == VERDICT_ALLOW) {
		if (cell->policy < search->allow)
			search->allow = cell->policy;
	} else if (cell->policy < search->deny) {
		search->deny = cell->policy;
	}
}

VERDICT_INLINE void verdict_answer_is(struct verdict_answer *answer, enum culvert_verdict verdict,
				      __u32 policy)
{
	answer->verdict = verdict;
	answer->policy = (__u16)policy;
	answer->pad = 0;
}

/* Writes every byte of `answer`. A set that is not there is DENY. */
VERDICT_INLINE void culvert_judge(const struct verdict_question *question,
				  struct verdict_answer *answer VERDICT_OVER)
{
	const struct policy_set_entry *set = VERDICT_FIND_SET(&question->set);
	struct verdict_search search = {
		{question->set, VERDICT_ANY, VERDICT_ANY, VERDICT_ANY},
		0,
		VERDICT_NOT_FOUND,
		VERDICT_NOT_FOUND,
	};

	if (!set) {
		verdict_answer_is(answer, VERDICT_DENY, VERDICT_NO_POLICY);
		return;
	}
	search.shapes = set->shapes;
	if (set->asks & SHAPE_IDENTITY)
		search.classes.identity = verdict_identity_class(question VERDICT_WITH);
	if (set->asks & SHAPE_SOURCE)
		search.classes.source = verdict_source_class(question VERDICT_WITH);
	if (set->asks & SHAPE_PORT)
		search.classes.port = verdict_port_class(question VERDICT_WITH);
	/* VERDICT_SHAPES of them, written out: no kernel has to prove that a loop ends. */
	verdict_try_shape(0, &search VERDICT_WITH);
	verdict_try_shape(1, &search VERDICT_WITH);
	verdict_try_shape(2, &search VERDICT_WITH);
	verdict_try_shape(3, &search VERDICT_WITH);
	verdict_try_shape(4, &search VERDICT_WITH);
	verdict_try_shape(5, &search VERDICT_WITH);
	verdict_try_shape(6, &search VERDICT_WITH);
	verdict_try_shape(7, &search VERDICT_WITH);
	if (search.deny != VERDICT_NOT_FOUND)
		verdict_answer_is(answer, VERDICT_DENY, search.deny);
	else if (search.allow != VERDICT_NOT_FOUND)
		verdict_answer_is(answer, VERDICT_ALLOW, search.allow);
	else if (set->otherwise == VERDICT_ALLOW)
		verdict_answer_is(answer, VERDICT_ALLOW, set->policy);
	else
		verdict_answer_is(answer, VERDICT_DENY, set->policy);
}

#endif
