/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of ports, written as ranges: "50000" or "40000-49999,52000,60000-60999". */
#ifndef BAUTA_RANGES_H
#define BAUTA_RANGES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "contract.h"
#include "fault.h"

/* One bit a port: any set fits, so nothing but the number of slices in the end can be too much. */
struct ranges {
	__u64 word[PORT_WORDS];
};

/* What a user wrote. -EINVAL when it is empty, not a number, out of 1-65535, reversed, overlaps itself, or makes more
 * than MAX_SLICES slices; the fault says which and what would be accepted.
 */
int ranges_parse(const char *text, struct ranges *ret_ranges, struct fault *fault);

/* As ranges_parse writes them, sorted, adjacent ones joined; "" for the empty set. The caller frees it; NULL: no memory. */
char *ranges_format(const struct ranges *ranges);

void ranges_add(struct ranges *ranges, __u16 first, __u16 last);
bool ranges_contain(const struct ranges *ranges, __u16 port);
unsigned int ranges_count(const struct ranges *ranges);
/* ranges less what is in `less`. */
void ranges_subtract(struct ranges *ranges, const struct ranges *less);
void ranges_intersect(struct ranges *ranges, const struct ranges *with);

/* The next slice that begins at *port or later: false when there is none, else *port is set behind it (65536 at the
 * end). Begin with *port = 0.
 */
bool ranges_next(const struct ranges *ranges, unsigned int *port, __u16 *ret_first, __u16 *ret_last);

/* As the records of the contract; -E2BIG, with nothing written, beyond MAX_SLICES. */
int ranges_to_slices(const struct ranges *ranges, struct port_slice ret_slice[MAX_SLICES], __u32 *ret_num);

/* Sets slice, num_slices, num_ports, ranges and ranges_open of a configuration. -E2BIG, with nothing written, beyond
 * MAX_SLICES.
 */
int ranges_to_config(const struct ranges *ranges, struct config *config);
void ranges_from_config(const struct config *config, struct ranges *ret_ranges);

#endif
