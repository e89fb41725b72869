/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sweep_pace.h"

#define PASS_MIN_MS 2000u
#define PASS_MAX_MS 20000u
#define PASS_FAST_MS 250u    /* however fast the clock is */
#define ENTRIES_PER_MS 4096u /* of the first pass, whose cost is not known: one million takes 256 ms more */
#define CPU_PERCENT 2        /* of one CPU */

__u32 sweep_pass_ms(const struct sweep_load *load)
{
	__u64 pass_ms = PASS_MIN_MS + load->num_entries / ENTRIES_PER_MS;

	if (load->cpu_ns)
		pass_ms = load->cpu_ns * 100 / CPU_PERCENT / 1000000;
	if (load->is_full)
		pass_ms /= 2;
	if (pass_ms < PASS_MIN_MS)
		pass_ms = PASS_MIN_MS;
	if (pass_ms > PASS_MAX_MS)
		pass_ms = PASS_MAX_MS;
	pass_ms /= load->factor;
	return pass_ms < PASS_FAST_MS ? PASS_FAST_MS : pass_ms;
}
