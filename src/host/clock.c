/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway's clock (contract.h), read by user space.
 *
 * jiffies64 and CLOCK_MONOTONIC advance together: the kernel counts a jiffy when the monotonic clock has passed one
 * tick of TICK_NSEC = (10^9 + HZ/2) / HZ nanoseconds, and that rounded number, not 1/HZ, is what a tick lasts. So one
 * reading of both tells either from the other for as long as the machine runs.
 */
#include "clock.h"

#include <time.h>

#define NS_PER_S 1000000000ull

__u32 clock_read_hz(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_sec || tick.tv_nsec <= 0)
		return 0;
	return (NS_PER_S + tick.tv_nsec / 2) / tick.tv_nsec;
}

__u64 clock_read_mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

struct clock clock_make(__u32 hz, __u32 factor, __u64 jiffies, __u64 mono_ns)
{
	struct clock clock = {
		.hz = hz,
		.factor = factor,
		.mult = ((__u64)factor << CLOCK_SHIFT) / hz,
		.base_jiffies = jiffies,
		.base_mono_ns = mono_ns,
	};

	return clock;
}

static __u64 ticks_at(const struct clock *clock, __u64 mono_ns)
{
	__s64 tick_ns = (NS_PER_S + clock->hz / 2) / clock->hz;
	__s64 passed_ns = mono_ns - clock->base_mono_ns;

	return clock->base_jiffies + passed_ns / tick_ns;
}

__u32 clock_at(const struct clock *clock, __u64 mono_ns)
{
	return (ticks_at(clock, mono_ns) * clock->mult) >> CLOCK_SHIFT;
}

__u32 clock_now(const struct clock *clock)
{
	return clock_at(clock, clock_read_mono_ns());
}

__u64 clock_ticks(const struct clock *clock)
{
	return ticks_at(clock, clock_read_mono_ns());
}
