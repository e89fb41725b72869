/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two gateways side by side, to see whether they do the same: at one tc sees all packets, at the other xdp sees them first. */
#ifndef TEST_PROG_BESIDE_H
#define TEST_PROG_BESIDE_H

#include "fast.h"
#include "gateway.h"

extern struct gateway plain; /* tc alone */
extern struct gateway mixed;
extern struct fast fast; /* of mixed */

/* Of a group of tests. With stopped clocks time passes by gateway_age() only. */
int beside_open(void **state);
int beside_open_stopped(void **state);
int beside_close(void **state);

/* The functions that look at a table look at that of this gateway from now on, one of the two. */
void beside_use(const struct gateway *which);

/* Empty tables and the usual configuration, but for these port ranges; only xdp creates. mixed is in use. */
void beside_reset(const char *ranges, bool fast_create);

/* Fails unless both tables are sound. mixed is in use. */
void beside_check(void);

#endif
