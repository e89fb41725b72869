/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf_jiffies64() counts at the rate that user space learns from clock_getres(CLOCK_MONOTONIC_COARSE). */
#include <stdint.h>
#include <time.h>

#include "hook.h"
#include "kernel/jiffies.skel.h"
#include "tap.h"

enum { NUM_TICKS = 60 };

int main(void)
{
	struct jiffies *bpf = jiffies__open_and_load();
	uint64_t first_tick, first_ns, ticks, expected;
	struct timespec resolution;

	if (!bpf)
		tap_die("cannot load the program");
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &resolution))
		tap_die("cannot ask for the resolution of CLOCK_MONOTONIC_COARSE");
	tap_note("HZ is %ld", 1000000000L / resolution.tv_nsec);

	/* from the beginning of one tick to that of another */
	hook_run_once(bpf->progs.tell);
	for (first_tick = bpf->bss->jiffies; bpf->bss->jiffies == first_tick;)
		hook_run_once(bpf->progs.tell);
	first_tick = bpf->bss->jiffies;
	first_ns = bpf->bss->nanoseconds;
	while (bpf->bss->jiffies - first_tick < NUM_TICKS)
		hook_run_once(bpf->progs.tell);
	ticks = bpf->bss->jiffies - first_tick;
	expected = (bpf->bss->nanoseconds - first_ns + resolution.tv_nsec / 2) / resolution.tv_nsec;

	tap_note("%llu ticks in %llu ns", (unsigned long long)ticks,
		 (unsigned long long)(bpf->bss->nanoseconds - first_ns));
	/* a machine under load may see a tick late, at either end */
	tap_ok(ticks + 2 >= expected && ticks <= expected + 2, "jiffies pass at that rate");
	jiffies__destroy(bpf);
	return tap_finish();
}
