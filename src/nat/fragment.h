/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fragments: only the first one of a datagram has ports. What became of it is remembered for those that follow.
 *
 * A cache, not a table: it may forget, and a fragment that finds nothing is not translated. A fragment that overtakes the
 * first one of its datagram finds nothing either.
 */
#ifndef BAUTA_FRAGMENT_H
#define BAUTA_FRAGMENT_H

#include "packet.h"
#include "platform.h"

#define FRAGMENT_S 30 /* a datagram's fragments follow each other within seconds; hosts wait 60 s for them (RFC 1122) */

struct fragment_key {
	__be32 src;
	__be32 dst;
	__be16 id;
	__u8 proto;
	__u8 direction;
};

struct fragment {
	__be32 new_addr;
	__u32 seen_s;
};

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

/* The new address of a later fragment; false when its datagram is not known. */
SLOW_PATH bool fragment_find(const struct packet *pkt, __u8 direction, __be32 *ret_addr)
{
	struct fragment_key key;
	struct fragment fragment;

	if (!pkt || !ret_addr)
		return false;
	key = fragment_key(pkt, direction);
	if (!platform_fragment_read(&key, &fragment) || platform_now() - fragment.seen_s > FRAGMENT_S)
		return false;
	*ret_addr = fragment.new_addr;
	return true;
}

/* Remembers what a datagram's first fragment was translated to. 0. */
SLOW_PATH int fragment_note(const struct packet *pkt, __u8 direction, __be32 new_addr)
{
	struct fragment fragment = { .new_addr = new_addr, .seen_s = platform_now() };
	struct fragment_key key;

	if (!pkt)
		return 0;
	key = fragment_key(pkt, direction);
	platform_fragment_write(&key, &fragment);
	return 0;
}

#endif
