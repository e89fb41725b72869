/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fragments: only the first one of a datagram has ports. What became of it becomes of those that follow, so it is noted.
 *
 * A cache, not a table: it may forget. A fragment that finds nothing is held until the first one comes (held.h).
 */
#ifndef BAUTA_FRAGMENT_H
#define BAUTA_FRAGMENT_H

#include "packet.h"
#include "platform.h"

/* A first fragment that comes again within this time is the same datagram: a repetition, or its own return (held.h). */
#define FRAGMENT_AGAIN_S 1

/* What fragments of one datagram have in common, and the direction that they pass in: 0 or ENTRY_INBOUND at the external
 * interface.
 */
struct fragment_key {
	__be32 src;
	__be32 dst;
	__be16 id;
	__u8 proto;
	__u8 direction;
};
_Static_assert(sizeof(struct fragment_key) == 12, "keys are compared as they lie in memory");

/* What became of the first one. */
struct fragment {
	__be32 new_addr;
	__u32 seen_s;
	__be16 new_id;
	__u8 renumber; /* new_id is to be written */
	__u8 reason;   /* what those that follow are counted as, and treated */
};
_Static_assert(sizeof(struct fragment) == 12, "no padding");

static __always_inline struct fragment_key fragment_key(const struct packet *pkt, __u8 direction)
{
	struct fragment_key key = {
		.src = pkt->tuple.src,
		.dst = pkt->tuple.dst,
		.id = pkt->id,
		.proto = pkt->tuple.proto,
		.direction = direction,
	};

	return key;
}

/* What became of the first fragment of this one's datagram; false when that is not known. */
SLOW_PATH bool fragment_find(const struct packet *pkt, __u8 direction, struct fragment *ret_fragment)
{
	const struct config *cfg = platform_config();
	struct fragment_key key;
	struct fragment fragment = {};

	if (!pkt || !ret_fragment || !cfg)
		return false;
	key = fragment_key(pkt, direction);
	if (!platform_fragment_read(&key, &fragment) ||
	    platform_now() - fragment.seen_s > cfg->timeout_s[TIMEOUT_FRAGMENT])
		return false;
	*ret_fragment = fragment;
	return true;
}

/* Notes what has become of a datagram's first fragment; the time is filled in here. 0. */
SLOW_PATH int fragment_note(const struct packet *pkt, __u8 direction, const struct fragment *fragment)
{
	struct fragment_key key;
	struct fragment noted;

	if (!pkt || !fragment)
		return 0;
	noted = *fragment;
	noted.seen_s = platform_now();
	key = fragment_key(pkt, direction);
	platform_fragment_write(&key, &noted);
	return 0;
}

#endif
