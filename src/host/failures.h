/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The failures that the hooks have kept (contract.h), read while they write. */
#ifndef BAUTA_FAILURES_H
#define BAUTA_FAILURES_H

#include <stddef.h>

#include "contract.h"
#include "store.h"

#define NUM_FAILURE (NUM_FAILURE_RING * FAILURE_RING_SIZE)

struct failures {
	size_t num;
	struct event *event; /* copies, the newest first */
};

/* `slot` are the NUM_FAILURE slots of all rings. A slot that is being written is left out: its writer sets time_ns to 0,
 * then the rest, then time_ns. 0, or -ENOMEM.
 */
int failures_read(const struct event *slot, struct failures *ret_failures);
void failures_free(struct failures *failures);

/* Who it was about. A packet that came in from outside has no internal endpoint: 0.0.0.0:0. */
struct pair failure_pair(const struct event *failure);

#endif
