/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which interfaces take part in the fast path, and keeping its program at them. */
#ifndef BAUTA_FAST_H
#define BAUTA_FAST_H

#include "dataplane.h"
#include "fast_hook.h"
#include "fast_iface.h"
#include "fast_map.h"
#include "netlink.h"

/* What was said of an interface that stays on tc. */
struct fast_said {
	char name[IF_NAMESIZE];
	char why[FAST_WHY];
};

/* An interface whose driver has refused; it is not asked again before something changes, for some drivers stop to look. */
struct fast_refusal {
	__u32 ifindex;
	__u32 mtu;
	__u32 xdp;
	bool up;
	char why[FAST_WHY];
};

struct fast {
	const struct dataplane *dataplane; /* its configuration says what is wanted */
	struct mnl_socket *ask;
	struct fast_hooks hooks;
	struct interfaces wanted; /* when this changes, everybody is asked again */
	struct fast_map *map;     /* in force; NULL: none was written yet */
	struct fast_refusal *refusal;
	size_t num_refusals;
	struct fast_said *said;
	size_t num_said;
};

/* Attaches wherever it is wanted and can be, and detaches where an earlier run had. What goes wrong is told, and the interface stays on
 * tc, which does everything.
 */
void fast_start(struct fast *fast, const struct dataplane *dataplane, struct mnl_socket *ask);

/* Interfaces may have come, gone or changed, or the configuration may be another. */
void fast_follow(struct fast *fast);

/* What is attached stays. Takes one that was never started (all zero). */
void fast_close(struct fast *fast);

#endif
