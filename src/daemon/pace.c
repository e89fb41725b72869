/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtmsg_fib() of the kernel tells of a route that is removed before it is, and an interface is told to be down before its routes
 * go, which are not told of at all. Who asks the kernel between the two gets the old answer, under the new generation.
 */
#include "pace.h"

static __u64 earliest(const struct pace *pace)
{
	return pace->last_ms ? pace->last_ms + PACE_MS : 0;
}

void pace_hear(struct pace *pace, __u64 now_ms)
{
	__u64 soon = earliest(pace);

	if (soon < now_ms)
		soon = now_ms;
	pace->due_ms[PACE_CHANGE] = soon;
	pace->due_ms[PACE_AGAIN] = soon + PACE_MS;
	pace->due_ms[PACE_SETTLE] = now_ms + SETTLE_MS;
}

bool pace_step(struct pace *pace, __u64 now_ms)
{
	if (now_ms < pace_next(pace))
		return false;
	for (int i = 0; i < NUM_PACE; i++)
		if (pace->due_ms[i] <= now_ms)
			pace->due_ms[i] = 0;
	pace->last_ms = now_ms;
	return true;
}

__u64 pace_next(const struct pace *pace)
{
	__u64 next = PACE_NEVER;

	for (int i = 0; i < NUM_PACE; i++)
		if (pace->due_ms[i] && pace->due_ms[i] < next)
			next = pace->due_ms[i];
	return next < earliest(pace) ? earliest(pace) : next;
}

bool pace_is_quiet(const struct pace *pace, __u64 now_ms)
{
	return now_ms < earliest(pace);
}
