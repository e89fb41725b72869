/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who sits on ports of the ranges: sockets that wait for whatever comes, by the processes that have them open. */
#ifndef BAUTA_CHECK_HOLDER_H
#define BAUTA_CHECK_HOLDER_H

#include <linux/types.h>
#include <stddef.h>

#include "fault.h"
#include "ranges.h"
#include "sockets.h"

/* The ports that the same processes hold in the same way. */
struct holder {
	__u8 proto;
	__u8 state; /* 10: listening, 13: bound */
	struct ranges ports;
	size_t num; /* of processes; 0: the kernel's own socket, or one of a process that cannot be seen from here */
	struct process *process; /* sorted by pid */
};

struct holders {
	size_t num;
	struct holder *holder;
};

/* The processes that have a socket open. */
struct owner {
	__u64 inode;
	size_t num;
	struct process *process;
};

struct owners {
	size_t num;
	struct owner *owner; /* sorted by inode */
};

/* Whether a socket receives what nobody in particular sends to this port: listening, or bound and not connected, on all
 * addresses or on one of `own`.
 */
bool holder_counts(const struct host_socket *socket, const __be32 *own, size_t num_own);

/* Looks through /proc once for the sockets that count and sit on `ports`. What a process hides stays unknown. */
int owners_read(const struct sockets *sockets, const struct ranges *ports, const __be32 *own, size_t num_own,
		struct owners *ret_owners, struct fault *fault);
void owners_free(struct owners *owners);

/* Groups the sockets on `ports` by who has them open. A port that several sockets share (SO_REUSEPORT) is held by the
 * processes of all of them.
 */
int holders_collect(const struct sockets *sockets, const struct owners *owners, const struct ranges *ports,
		    const __be32 *own, size_t num_own, struct holders *ret_holders, struct fault *fault);
void holders_free(struct holders *holders);

#endif
