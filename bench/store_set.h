/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sessions of the store's bench, by number, and the random order in which it visits them. */
#ifndef BENCH_STORE_SET_H
#define BENCH_STORE_SET_H

#include "displace.h"
#include "store_write.h"

#define SET_REMOTES 64
#define SET_PORTS 60000

/* Session s is the pair of the remote s mod 64 and of the internal endpoint e = s div 64: host e mod 4096, port by e div
 * 4096. Each internal endpoint has an external one of its own, whatever the remote, as behind the gateway.
 */
static __always_inline struct pair set_pair(__u32 session)
{
	__u32 remote = session % SET_REMOTES;
	__u32 internal = session / SET_REMOTES;
	struct pair pair = { .proto = IPPROTO_UDP };

	pair.remote.addr = cpu_to_be32(0xc6120001 + remote / 4); /* 198.18.0.1 */
	pair.remote.port = cpu_to_be16(443 + remote % 4);
	pair.internal.addr = cpu_to_be32(0x0a010000 + internal % 4096);
	pair.internal.port = cpu_to_be16(1024 + (internal / 4096 * 509 + internal % 4096 * 7919) % SET_PORTS);
	pair.external.addr = cpu_to_be32(0xc0000201 + internal / SET_PORTS); /* 192.0.2.1 */
	pair.external.port = cpu_to_be16(1024 + internal % SET_PORTS);
	return pair;
}

/* Number n of a random order of 0 .. mask, each once; mask + 1 is a power of two, 2^bits. */
static __always_inline __u32 set_permute(__u32 n, __u32 mask, __u32 bits, __u32 salt)
{
	n = (n * 0x9e3779b1u + salt) & mask;
	n ^= n >> (bits / 2);
	n = (n * 0x85ebca6bu) & mask;
	n ^= n >> (bits / 2);
	return (n * 0xc2b2ae35u) & mask;
}

#define SET_ATTEMPTS 4

/* Inserts as the gateway does when nothing has expired: into the two buckets, then where something can be moved out of the
 * way, then into the stash.
 */
static __always_inline enum insert_result set_insert(const struct pair *pair)
{
	enum insert_result result = INSERT_NO_ROOM_IN;

	for (int i = 0; i < SET_ATTEMPTS; i++) {
		result = store_insert(pair, PHASE_LIVE, PHASE_LIVE, 0, i >= SET_ATTEMPTS / 2);
		if (result < INSERT_NO_ROOM_IN)
			break;
		store_make_room(pair, result == INSERT_NO_ROOM_IN ? ENTRY_INBOUND : 0);
	}
	return result;
}

#endif
