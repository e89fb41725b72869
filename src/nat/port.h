/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configured port ranges: sorted slices, counted through as ports number 0 .. num_ports-1. */
#ifndef BAUTA_PORT_H
#define BAUTA_PORT_H

#include "platform.h"

#define SLICE_STEPS 9 /* halvings until MAX_SLICES are one */
_Static_assert(1 << (SLICE_STEPS - 1) >= MAX_SLICES, "a bisection reaches every slice");

/* The slice that holds the `number`-th port. */
static __always_inline const struct port_slice *port_slice_find(const struct config *cfg, __u32 number)
{
	__u32 low = 0, high = cfg->num_slices; /* the slice is in [low, high) */

	for (int i = 0; i < SLICE_STEPS; i++) {
		__u32 middle = (low + high) / 2;

		if (high - low <= 1)
			break;
		OPTIMIZER_HIDE_VAR(middle);
		if (middle >= MAX_SLICES)
			break;
		if (cfg->slice[middle].before <= number)
			low = middle;
		else
			high = middle;
	}
	OPTIMIZER_HIDE_VAR(low);
	return low < MAX_SLICES ? &cfg->slice[low] : &cfg->slice[0];
}

/* The `number`-th port of the ranges, host order. `number` is below cfg->num_ports. */
static __always_inline __u16 port_at(const struct config *cfg, __u32 number)
{
	const struct port_slice *slice = port_slice_find(cfg, number);

	return slice->first + (number - slice->before);
}

#endif
