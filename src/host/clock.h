/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway's clock (contract.h), read by user space. */
#ifndef BAUTA_CLOCK_H
#define BAUTA_CLOCK_H

#include "contract.h"

/* The kernel's HZ: the coarse clocks advance with its tick. 0 if it cannot be told. */
__u32 clock_read_hz(void);

/* CLOCK_MONOTONIC. */
__u64 clock_read_mono_ns(void);

/* A clock that runs `factor` times faster than the wall; jiffies64 and CLOCK_MONOTONIC read at the same moment. */
struct clock clock_make(__u32 hz, __u32 factor, __u64 jiffies, __u64 mono_ns);

/* What the hooks' platform_now() returns at that moment of CLOCK_MONOTONIC (within a tick, and what jiffies and
 * mono_ns were apart).
 */
__u32 clock_at(const struct clock *clock, __u64 mono_ns);
__u32 clock_now(const struct clock *clock);

/* jiffies64, now. */
__u64 clock_ticks(const struct clock *clock);

#endif
