/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking the ports of the ranges out of the pool that the kernel gives to programs by itself. */
#ifndef BAUTA_CHECK_FIX_H
#define BAUTA_CHECK_FIX_H

#include <linux/types.h>
#include <stdbool.h>

#include "fault.h"
#include "ranges.h"

/* So many ports must be left to programs that do not ask for a certain one. */
#define MIN_PROGRAM_PORTS 1024

/* The two sysctls that make the pool. */
struct ephemeral {
	__u16 first; /* ip_local_port_range */
	__u16 last;
	struct ranges reserved; /* ip_local_reserved_ports: never given without being asked for */
};

int ephemeral_read(struct ephemeral *ret_ephemeral, struct fault *fault);

/* The ports that the kernel gives to programs by itself. */
void ephemeral_pool(const struct ephemeral *ephemeral, struct ranges *ret_pool);

/* What the sysctls should be so that none of `ports` is in the pool: what lies at an end of the range is cut off, what
 * is inside becomes reserved; what was reserved stays so. The same as `old` if nothing is in common. -ERANGE if fewer
 * than MIN_PROGRAM_PORTS would be left.
 */
int ephemeral_plan(const struct ephemeral *old, const struct ranges *ports, struct ephemeral *ret_new,
		   struct fault *fault);

bool ephemeral_same_range(const struct ephemeral *old, const struct ephemeral *new);
bool ephemeral_same_reserved(const struct ephemeral *old, const struct ephemeral *new);

/* Writes what differs. If the second sysctl cannot be written, or not all of it, both get their old values back. */
int ephemeral_write(const struct ephemeral *old, const struct ephemeral *new, struct fault *fault);

#endif
