/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * address: 16-byte addresses (IPv4 as ::ffff:a.b.c.d) out of the kernel's contexts, and what can be
 * asked of them.
 */
#ifndef CULVERT_BPF_ADDRESS_H
#define CULVERT_BPF_ADDRESS_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "culvert/abi.h"

/* <sys/socket.h>, which is not to be had here. */
#define AF_INET 2
#define AF_INET6 10

/*
 * The compiler may fold the reads of a v4 and a v6 field of a context into one read at a computed
 * offset, which the verifier refuses ("dereference of modified ctx ptr"). A volatile read stays.
 */
#define CTX(ctx, field) (*(volatile typeof((ctx)->field) *)&(ctx)->field)

static __always_inline void set_ip4(__u8 *ip, __be32 ip4)
{
	__builtin_memset(ip, 0, 10);
	__builtin_memset(ip + 10, 0xff, 2);
	__builtin_memcpy(ip + 12, &ip4, sizeof(ip4));
}

static __always_inline void set_ip6(__u8 *ip, __be32 a, __be32 b, __be32 c, __be32 d)
{
	__be32 words[4] = {a, b, c, d};

	__builtin_memcpy(ip, words, sizeof(words));
}

/* 0: the same. No jump for each word: every jump doubles the ways that the verifier may follow. */
static __always_inline __u32 ip_difference(const __u8 *one, const __u8 *other)
{
	__u32 a[4], b[4];

	__builtin_memcpy(a, one, sizeof(a));
	__builtin_memcpy(b, other, sizeof(b));
	return (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);
}

static __always_inline bool same_ip(const __u8 *one, const __u8 *other)
{
	return !ip_difference(one, other);
}

static __always_inline bool is_none(const __u8 *ip)
{
	__u32 words[4];

	__builtin_memcpy(words, ip, sizeof(words));
	return !(words[0] | words[1] | words[2] | words[3]);
}

static __always_inline bool is_v4(const __u8 *ip)
{
	__u32 words[4];

	__builtin_memcpy(words, ip, sizeof(words));
	return !(words[0] | words[1] | (words[2] ^ bpf_htonl(0xffff)));
}

/* 127.0.0.0/8 or ::1 */
static __always_inline bool is_loopback(const __u8 *ip)
{
	__u32 words[4];

	__builtin_memcpy(words, ip, sizeof(words));
	if (words[0] | words[1])
		return false;
	if (words[2] == bpf_htonl(0xffff))
		return ip[12] == 127;
	return words[2] == 0 && words[3] == bpf_htonl(1);
}

/* 0.0.0.0 or ::, which connect(2) takes for loopback */
static __always_inline bool is_unspecified(const __u8 *ip)
{
	__u32 words[4];

	__builtin_memcpy(words, ip, sizeof(words));
	return !(words[0] | words[1] | words[3]) &&
	       (words[2] == 0 || words[2] == bpf_htonl(0xffff));
}

static __always_inline bool is_reserved(__u16 port)
{
	return port == CULVERT_OUTBOUND_PORT || port == CULVERT_INBOUND_PORT;
}

#endif
