/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools: which ports of an external address have a mapping; and finding the next port in a bitmap. */
#ifndef BAUTA_POOL_H
#define BAUTA_POOL_H

#include "platform.h"

/* ---- words ---------------------------------------------------------------------------------------------------- */

/* The number of the lowest bit set in a word that is not 0. BPF has no instruction for it: the bits below it are counted. */
static __always_inline __u32 word_first(__u64 word)
{
	__u64 below = (word & -word) - 1;

	below -= (below >> 1) & 0x5555555555555555ull;
	below = (below & 0x3333333333333333ull) + ((below >> 2) & 0x3333333333333333ull);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return ((below * 0x0101010101010101ull) >> 56) & 63;
}

/* The word of a bitmap of ports that holds a bit. The compiler may know that it is in bounds; the verifier has to see it. */
static __always_inline __u32 bitmap_word(__u32 bit)
{
	__u32 word = bit / 64;

	OPTIMIZER_HIDE_VAR(word);
	return word % PORT_WORDS;
}

static __always_inline bool bitmap_has(const __u64 *bitmap, __u32 bit)
{
	return READ_ONCE(bitmap[bitmap_word(bit)]) >> bit % 64 & 1;
}

/* ---- summaries ------------------------------------------------------------------------------------------------ */

static __always_inline __u64 *summary_word(__u64 *summary, __u32 word)
{
	__u32 n = word / 64;

	OPTIMIZER_HIDE_VAR(n); /* as in bitmap_word */
	return &summary[n % SUMMARY_WORDS];
}

/* Clears the bit of a word in a summary. The caller looks at the word once more, and calls summary_set if it was wrong. */
static __always_inline void summary_clear(__u64 *summary, __u32 word)
{
	platform_and64(summary_word(summary, word), ~(1ull << word % 64));
}

static __always_inline void summary_set(__u64 *summary, __u32 word)
{
	platform_or64(summary_word(summary, word), 1ull << word % 64);
}

/* ---- pools ---------------------------------------------------------------------------------------------------- */

static __always_inline enum port_space port_space(__u8 proto)
{
	return proto == IPPROTO_TCP ? SPACE_TCP : proto == IPPROTO_UDP ? SPACE_UDP : SPACE_ICMP;
}

/* The number of the pool of an external address (header.pool_addr) and protocol, or INDEX_NONE. */
static __always_inline __u32 pool_index(__be32 addr, __u8 proto)
{
	struct header *header = platform_header();
	__u32 num;

	if (!header || !addr)
		return INDEX_NONE;
	num = READ_ONCE(header->num_pool_addrs);
	for (__u32 i = 0; i < MAX_EXTERNAL; i++) {
		if (i >= num)
			break;
		if (READ_ONCE(header->pool_addr[i]) == addr)
			return i * NUM_SPACE + port_space(proto);
	}
	return INDEX_NONE;
}

/* NULL: the address has none, since it is no external one. */
static __always_inline struct pool *pool_of(__be32 addr, __u8 proto)
{
	__u32 index = pool_index(addr, proto);

	return index == INDEX_NONE ? NULL : platform_pool(index);
}

/* Notes that a port (host order) has a mapping now. Under the lock of the mappings of its protocol. `pool` may be NULL. */
static __always_inline void pool_take(struct pool *pool, __u16 port)
{
	__u64 *word;

	if (!pool)
		return;
	word = &pool->used[bitmap_word(port)];
	WRITE_ONCE(*word, *word | 1ull << port % 64);
}

/* Notes that a port has no mapping any more. Under the same lock. First the bit and then the hint: whoever clears a hint
 * looks at the bits once more after that.
 */
static __always_inline void pool_give(struct pool *pool, __u16 port)
{
	__u64 *word;

	if (!pool)
		return;
	word = &pool->used[bitmap_word(port)];
	WRITE_ONCE(*word, *word & ~(1ull << port % 64));
	for (int slot = 0; slot < NUM_CONFIG_SLOT; slot++)
		summary_set(pool->open[slot], port / 64);
}

/* ---- the next port -------------------------------------------------------------------------------------------- */

/* How many words behind `word`, in a circle, the next one stands whose bit is set in the summary `a` and, if there is one, in
 * `b`; 0 if it is `word` itself, PORT_WORDS if there is none.
 */
static __always_inline __u32 summary_distance(const __u64 *a, const __u64 *b, __u32 word)
{
	__u64 from = ~0ull << word % 64;

	for (__u32 i = 0; i <= SUMMARY_WORDS; i++) {
		__u32 n = (word / 64 + i) % SUMMARY_WORDS;
		__u64 open = a ? READ_ONCE(a[n]) : ~0ull;

		if (b)
			open &= READ_ONCE(b[n]);
		if (i == 0)
			open &= from;
		if (i == SUMMARY_WORDS)
			open &= ~from;
		if (open)
			return (n * 64 + word_first(open) - word) % PORT_WORDS;
	}
	return PORT_WORDS;
}

#endif
