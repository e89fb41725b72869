/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Removing the quota records of internal hosts that have nothing any more. */
#ifndef BAUTA_QUOTA_SWEEP_H
#define BAUTA_QUOTA_SWEEP_H

#include <linux/types.h>
#include <stdbool.h>

#include "dataplane.h"

struct quota_sweep {
	const struct dataplane *dataplane;
	__u32 cursor; /* of the map, where the walk goes on */
	bool begun;
	unsigned int pause; /* steps until the next walk begins */
};

/* `steps_per_pass`: how many calls of quota_sweep_step() there are from one walk to the next. */
void quota_sweep_init(struct quota_sweep *sweep, const struct dataplane *dataplane);
void quota_sweep_step(struct quota_sweep *sweep, unsigned int steps_per_pass);

#endif
