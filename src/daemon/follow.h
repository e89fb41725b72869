/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following the machine: its interface, its addresses, its own port ranges; and telling the data plane of them. */
#ifndef BAUTA_FOLLOW_H
#define BAUTA_FOLLOW_H

#include <stdbool.h>

#include "address.h"
#include "dataplane.h"
#include "external.h"
#include "fault.h"
#include "netlink.h"
#include "ranges.h"
#include "settings.h"
#include "sweep.h"

struct follow {
	const struct settings *settings;
	struct dataplane *dataplane;
	struct sweep *sweep;
	struct mnl_socket *ask;  /* for requests */
	struct mnl_socket *news; /* readable when something has changed */
	struct addresses addresses;
	struct externals externals;
	struct ranges ports; /* in force */
	__u32 num_unused;    /* external addresses that are there, and not used for want of pools */
	__u32 num_left_out;  /* addresses of the interface for which the configuration has no room */
	__u32 l2_len;
	__u32 num_polls_back; /* since the interface has an address again, while some of the external ones are missing */
	bool attached;
	/* what has been complained of, "" when all is well */
	struct fault ports_complaint;
	struct fault attach_complaint;
	struct fault external_complaint;
	struct fault excluded_complaint;
};

/* First the checks: reads all of it, and refuses what cannot be served. Nothing is changed yet. */
int follow_open(struct follow *follow, const struct settings *settings, struct fault *fault);

/* Takes one that was never opened (all zero). */
void follow_close(struct follow *follow);

/* Tells the data plane all of it, ends sessions of addresses that are gone, and attaches. */
int follow_start(struct follow *follow, struct dataplane *dataplane, struct sweep *sweep, struct fault *fault);

/* Interface and addresses may have changed: reads them anew and acts. */
void follow_addresses(struct follow *follow);

/* Other settings, of the same interface, take effect at once, and sessions go on; those of an address that is no longer ours
 * end. On failure everything is as it was. The settings have to last until the next ones have taken effect.
 */
int follow_settings(struct follow *follow, const struct settings *settings, struct fault *fault);

/* The kernel's own port ranges may have changed, or its routes, or somebody may have taken our filters away. */
void follow_poll(struct follow *follow);

/* "ports 50000-50099", in force; the caller frees it. */
char *follow_ports_text(const struct follow *follow);

/* "192.0.2.1 and 3 others": what internal hosts are seen as. `text` has EXTERNALS_TEXT bytes; returns it. */
char *follow_external_text(const struct follow *follow, char *text);

#endif
