/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time-outs: how they are called, how long they are by default, and how short the RFCs let them be. */
#ifndef BAUTA_TIMER_H
#define BAUTA_TIMER_H

#include <linux/types.h>

#include "contract.h"

/* Ninety days: the clock of an entry tells times apart for ninety-seven. */
#define MAX_TIMEOUT_S 7776000

struct timer {
	const char *name; /* as a user writes it */
	__u32 default_s;
	__u32 floor_s; /* what the RFCs ask for at least; 0: nothing */
	__u32 max_s;
	const char *rfc; /* who asks for the floor */
};

extern const struct timer timer_table[NUM_TIMEOUT];

/* NUM_TIMEOUT: there is none of this name. */
enum timeout timer_find(const char *name);

/* The floor of sessions toward one port of remotes, in host order: RFC 4787 REQ-5a lets those of UDP toward a well-known port
 * be shorter.
 */
__u32 timer_port_floor(__u8 proto, __u16 port);

#endif
