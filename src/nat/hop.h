/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of next hops (struct next_hop in contract.h): read by every packet of the fast path, made by the few that have asked
 * the kernel. Nobody holds a lock. Whoever makes a record takes one of an older generation by compare-and-exchange, and whoever
 * reads one compares its generation before and after.
 */
#ifndef BAUTA_HOP_H
#define BAUTA_HOP_H

#include "platform.h"

#define FAST_WAY_WORDS (sizeof(struct fast_way) / sizeof(__u64))

/* The first of the NEXT_HOP_WAYS records where a neighbour's may stand; they go round at the end. */
static __always_inline __u32 hop_first(__u32 ifindex, __be32 addr)
{
	return (addr ^ ifindex << 24) * 0x9e3779b1u >> (32 - NEXT_HOP_BITS);
}

/* The way that an entry refers to; false when it is void, and then what stands in *ret_way means nothing. */
static __always_inline bool hop_read(__u32 next_hop, __u32 generation, struct fast_way *ret_way)
{
	__u32 used = platform_ticks() >> NEXT_HOP_USED_SHIFT;
	struct next_hop *hop;

	if (!next_hop || next_hop >> NEXT_HOP_BITS != generation)
		return false;
	hop = platform_next_hop(next_hop & NEXT_HOP_MASK);
	if (!hop || READ_ONCE(hop->generation) != generation)
		return false;
	for (__u32 i = 0; i < FAST_WAY_WORDS; i++)
		ret_way->word[i] = READ_ONCE(hop->way.word[i]);
	if (READ_ONCE(hop->generation) != generation)
		return false;
	if (READ_ONCE(hop->used) != used)
		WRITE_ONCE(hop->used, used);
	return true;
}

static __always_inline bool hop_is(struct next_hop *hop, const struct fast_way *way, __u32 ifindex, __be32 addr)
{
	for (__u32 i = 0; i < FAST_WAY_WORDS; i++)
		if (READ_ONCE(hop->way.word[i]) != way->word[i])
			return false;
	return READ_ONCE(hop->ifindex) == ifindex && READ_ONCE(hop->addr) == addr;
}

static __always_inline void hop_write(struct next_hop *hop, const struct fast_way *way, __u32 ifindex, __be32 addr)
{
	for (__u32 i = 0; i < FAST_WAY_WORDS; i++)
		WRITE_ONCE(hop->way.word[i], way->word[i]);
	WRITE_ONCE(hop->ifindex, ifindex);
	WRITE_ONCE(hop->addr, addr);
	WRITE_ONCE(hop->used, platform_ticks() >> NEXT_HOP_USED_SHIFT);
}

/* What an entry refers to a record for this way by, in this generation: to one that is there, or that is of an older generation
 * and now is written anew. 0 if there is none: then it has to do without. A packet may be late, and its generation over: it
 * leaves those of newer ones alone.
 */
static __always_inline __u32 hop_intern(__u32 generation, const struct fast_way *way, __u32 ifindex, __be32 addr)
{
	__u32 first = hop_first(ifindex, addr);

	for (__u32 i = 0; i < NEXT_HOP_WAYS && generation; i++) {
		__u32 index = (first + i) & NEXT_HOP_MASK;
		struct next_hop *hop = platform_next_hop(index);
		__u32 was;

		if (!hop)
			break;
		was = READ_ONCE(hop->generation);
		if (was == generation) {
			if (hop_is(hop, way, ifindex, addr) && READ_ONCE(hop->generation) == generation)
				return generation << NEXT_HOP_BITS | index;
			continue;
		}
		/* One that is being written has the highest number of all. */
		if (was > generation || platform_cmpxchg(&hop->generation, was, NEXT_HOP_WRITING) != was)
			continue;
		hop_write(hop, way, ifindex, addr);
		platform_xchg(&hop->generation, generation);
		return generation << NEXT_HOP_BITS | index;
	}
	return 0;
}

#endif
