/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which interfaces lead inside, and keeping the hairpin program at them. */
#ifndef BAUTA_INNER_H
#define BAUTA_INNER_H

#include "dataplane.h"
#include "fault.h"
#include "inner_hook.h"
#include "netlink.h"

struct inner {
	const struct dataplane *dataplane; /* its configuration says what is wanted */
	struct mnl_socket *ask;
	struct inner_hooks hooks;
	struct fault complaint; /* "" when all is well */
};

/* Attaches wherever it is wanted, and detaches where an earlier run had wanted it. What goes wrong is told, and tried again by
 * inner_follow(): without it only internal hosts that use each other's external endpoints are worse off.
 */
void inner_start(struct inner *inner, const struct dataplane *dataplane, struct mnl_socket *ask);

/* Interfaces may have come or gone, or the configuration may be another. */
void inner_follow(struct inner *inner);

/* Puts these programs in the place of those that are loaded, wherever they are attached. They are for the store that the data
 * plane has from now on. It has them from then on; inner->hooks says so.
 */
void inner_exchange(struct inner *inner, const struct inner_hooks *next);

/* What is attached stays. Takes one that was never started (all zero). */
void inner_close(struct inner *inner);

#endif
