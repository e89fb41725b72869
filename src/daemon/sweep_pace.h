/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a pass of the sweep over the whole table is to last. */
#ifndef BAUTA_SWEEP_PACE_H
#define BAUTA_SWEEP_PACE_H

#include <linux/types.h>
#include <stdbool.h>

/* What the next pass is judged by. */
struct sweep_load {
	__u64 cpu_ns;      /* what the last one cost; 0: there was none */
	__u64 num_entries; /* of the table, used or not */
	bool is_full;      /* as much of it is in use as it was made for */
	__u32 factor;      /* of the gateway's clock */
};

/* In milliseconds of the wall's clock. It costs as much as the last one did, so a table that is larger, or fuller, takes longer:
 * all passes together take two hundredths of a CPU, or four while the table is full, when what has expired is in the way. 2 to
 * 20 s, of the gateway's clock, but at least 250 ms. A session ends at most two passes late: 40 s, where the shortest time-out
 * is a minute by default.
 */
__u32 sweep_pass_ms(const struct sweep_load *load);

#endif
