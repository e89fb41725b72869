/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data plane of an instance: its maps, pinned, and its programs, loaded. */
#ifndef BAUTA_DATAPLANE_H
#define BAUTA_DATAPLANE_H

#include <stdbool.h>

#include "attach.h"
#include "fault.h"
#include "instance.h"
#include "table.h"

/* The pin of the program that sweeps. */
#define PIN_SWEEP "sweep"

/* What a new table is made for; zero: what is usual, or what is there. */
struct dataplane_wish {
	__u32 num_sessions;
	__u32 clock_factor;
	__u32 l2_len;
	__u32 num_external; /* addresses that pools are wanted for */
};

struct tc;
struct bpf_object;

struct dataplane {
	const struct instance *instance;
	struct tc *programs;
	struct table table;
	bool adopted; /* the table was there already, with its sessions */
	int gateways_fd;
	int events_fd;
	int sweep_fd;
	int unsolicited_fd;
};

/* Loads the programs; makes the maps and pins them, or takes over those that an earlier run has left pinned. Attaches
 * nothing. On failure everything is as before.
 */
int dataplane_open(const struct instance *instance, const struct dataplane_wish *wish, struct dataplane *ret_dataplane,
		   struct fault *fault);

/* Lets go of it; pins and filters stay. NULL, and one that was never opened (all zero), are fine. */
void dataplane_close(struct dataplane *dataplane);

/* Attaches to the interface, or replaces what is attached there, and writes down which interface it is. */
int dataplane_attach(struct dataplane *dataplane, __u32 ifindex, struct fault *fault);

/* Takes the filters away from an interface, and the qdisc if we made it and nobody else uses it. *ret_removed (may be
 * NULL): how many filters were there.
 */
int dataplane_detach(const struct instance *instance, __u32 ifindex, unsigned int *ret_removed, struct fault *fault);

/* Attaches the socket hooks, or replaces those that are there. The data plane does without them, if it must. */
int dataplane_attach_sockets(struct dataplane *dataplane, bool borrow, struct fault *fault);

/* Makes these the programs of the data plane; what it had before is the caller's. */
void dataplane_use_programs(struct dataplane *dataplane, struct tc *programs);

/* The loaded programs at the interface, whose maps others use. */
const struct bpf_object *dataplane_object(const struct dataplane *dataplane);

/* Makes this the configuration, in dataplane->table.config too. */
int dataplane_configure(struct dataplane *dataplane, const struct config *config, struct fault *fault);

/* How many sessions a table has room for. */
__u32 dataplane_capacity(const struct dataplane *dataplane);

/* Removes what is left of an instance whose data plane nobody has open: filters, qdisc, pins, socket. *ret_found: whether
 * there was anything.
 */
int dataplane_remove(const struct instance *instance, bool *ret_found, struct fault *fault);

#endif
