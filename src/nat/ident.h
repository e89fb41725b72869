/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identifications of datagrams that are fragmented or may be (RFC 6864 §4.3, §5.3.1; RFC 7857 §10).
 *
 * To the remote all of our hosts are one source, and two of them may use the same identification. So datagrams that are not
 * atomic get new ones, from a counter for each external address, remote and protocol, or rather for each hash of these: those
 * that share a counter only use it up faster. Where a counter begins is a secret of the table.
 */
#ifndef BAUTA_IDENT_H
#define BAUTA_IDENT_H

#include "hash.h"
#include "platform.h"

#define NUM_IDENT 4096

/* Distinguishes the hash from the store's: a protocol is less. */
#define IDENT_SALT 0x6964656e

/* The first of `num` identifications, in host order, that nobody has had for a while. */
static __always_inline __u16 ident_take(__be32 src, __be32 dst, __u8 proto, __u32 num)
{
	__u64 hash = hash_words(src, dst, proto, IDENT_SALT, platform_shape()->hash_key);
	__u32 *next = platform_ident(hash % NUM_IDENT);

	return next ? (hash >> 32) + platform_take32(next, num) : platform_random();
}

#endif
