/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyed hash of the store.
 *
 * NH of RFC 4418 §5.2.2 over four 32-bit words: for two different inputs the chance of a collision is at most 2^-32 over
 * the choice of the key, so nobody who does not know the boot's secret can aim at a bucket. NH's output is not
 * uniform bit by bit; a 64-bit finalizer (two rounds of multiply and shift) spreads it over both halves.
 */
#ifndef BAUTA_HASH_H
#define BAUTA_HASH_H

#include "platform.h"

static __always_inline __u64 hash_words(__u32 a, __u32 b, __u32 c, __u32 d, const volatile __u32 *key)
{
	__u64 h;

	h = (__u64)(__u32)(a + key[0]) * (__u32)(b + key[1]);
	h += (__u64)(__u32)(c + key[2]) * (__u32)(d + key[3]);
	h ^= h >> 32;
	h *= 0x9fb21c651e98df25ull;
	h ^= h >> 29;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	return h;
}

/* Maps 32 hash bits evenly onto 0 .. num-1. */
static __always_inline __u32 hash_scale(__u32 hash, __u32 num)
{
	return ((__u64)hash * num) >> 32;
}

#endif
