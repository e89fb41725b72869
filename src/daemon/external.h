/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The external addresses that can be used at one moment: those that were asked for and are this machine's. */
#ifndef BAUTA_EXTERNAL_H
#define BAUTA_EXTERNAL_H

#include <linux/types.h>
#include <stdbool.h>

#include "address.h"
#include "contract.h"
#include "fault.h"
#include "netlink.h"
#include "settings.h"

struct externals {
	__u32 num;
	__be32 addr[MAX_EXTERNAL]; /* in the order of the settings */
	__u32 num_missing;
	__be32 missing; /* the first of them */
	__be32 source;  /* what the kernel gives to sockets that leave by the interface; 0: nothing */
};

/* Reads them anew, after `addresses`: an interface whose address is being removed has its local route for a moment more,
 * and addresses_read() has waited for the end of that. 0 or -errno.
 */
int externals_read(struct mnl_socket *socket, const struct settings *settings, const struct addresses *addresses,
		   struct externals *ret_externals);

/* Says which address is missing, and what would make it one of this machine; returns -EADDRNOTAVAIL. */
int externals_fault(const struct externals *externals, const struct settings *settings, struct fault *fault);

bool externals_has(const struct externals *externals, __be32 addr);

/* "192.0.2.1", "192.0.2.1 and 3 others", "no address": text has EXTERNALS_TEXT bytes; returns it. */
#define EXTERNALS_TEXT 48
char *externals_format(const struct externals *externals, char *text);

#endif
