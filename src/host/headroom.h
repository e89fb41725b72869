/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much is left: the ports on which a new flow toward one remote endpoint could go out. */
#ifndef BAUTA_HEADROOM_H
#define BAUTA_HEADROOM_H

#include "ranges.h"
#include "sockets.h"
#include "tuple.h"

/* Of the ports that internal hosts may have on one external address. */
struct headroom {
	__u32 ports;    /* all of them */
	__u32 held;     /* a session holds the tuple toward this remote */
	__u32 host;     /* a socket of the host does, or with `borrow` sits on the port */
	__u32 resting;  /* the mapping rests: the port is kept for the internal endpoint that had it */
	__u32 free;     /* the others */
	__u32 unmapped; /* of those: without a mapping */
};

/* The ports on which a socket of the host would receive what `remote` sends to `external`, as the kernel looks them up:
 * connected to it, or to nobody. A TCP socket that is bound only receives nothing.
 */
void headroom_host_ports(const struct sockets *sockets, __u8 proto, __be32 external, struct endpoint remote,
			 struct ranges *ret_ports);

/* The ports on which a search finds the host in the way: these, and with `borrow` all that a socket sits on. Acts on
 * `platform`.
 */
void headroom_kept_ports(const struct sockets *sockets, __u8 proto, __be32 external, struct endpoint remote,
			 struct ranges *ret_ports);

/* Counts by look-ups of the store: acts on `platform` (table_open). For ICMP all identifiers count as ports. */
void headroom_count(const struct sockets *sockets, __u8 proto, __be32 external, struct endpoint remote,
		    struct headroom *ret_headroom);

#endif
