/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sweep takes a small share of a CPU, however large the table is, and no longer than sessions may wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/sweep_pace.h"

#define MS 1000000ull /* ns */

static __u32 pass_ms(__u64 cpu_ns, __u64 num_entries, bool is_full, __u32 factor)
{
	return sweep_pass_ms(&(struct sweep_load){
		.cpu_ns = cpu_ns, .num_entries = num_entries, .is_full = is_full, .factor = factor });
}

static void takes_two_hundredths(void **state)
{
	(void)state;
	for (__u64 cost_ms = 40; cost_ms <= 400; cost_ms += 40)
		assert_int_equal(pass_ms(cost_ms * MS, 1 << 20, false, 1), cost_ms * 50);
}

static void takes_twice_as_much_of_a_full_table(void **state)
{
	(void)state;
	assert_int_equal(pass_ms(200 * MS, 1 << 20, true, 1), 5000);
	assert_int_equal(pass_ms(50 * MS, 1 << 20, true, 1), 2000);
}

static void keeps_within_two_and_twenty_seconds(void **state)
{
	(void)state;
	assert_int_equal(pass_ms(1, 1 << 20, false, 1), 2000);
	assert_int_equal(pass_ms(39 * MS, 1 << 20, false, 1), 2000);
	assert_int_equal(pass_ms(401 * MS, 1 << 20, false, 1), 20000);
	assert_int_equal(pass_ms(60000 * MS, 1 << 20, true, 1), 20000);
}

/* The first pass, of which nobody knows what it costs. */
static void begins_by_the_size(void **state)
{
	(void)state;
	assert_int_equal(pass_ms(0, 0, false, 1), 2000);
	assert_int_equal(pass_ms(0, 1 << 20, false, 1), 2256);
	assert_int_equal(pass_ms(0, 1 << 24, false, 1), 6096);
	assert_int_equal(pass_ms(0, 1ull << 32, false, 1), 20000);
}

static void follows_the_clock(void **state)
{
	(void)state;
	assert_int_equal(pass_ms(200 * MS, 1 << 20, false, 4), 2500);
	assert_int_equal(pass_ms(200 * MS, 1 << 20, false, 40), 250);
	assert_int_equal(pass_ms(200 * MS, 1 << 20, false, 1000), 250);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_two_hundredths),
		cmocka_unit_test(takes_twice_as_much_of_a_full_table),
		cmocka_unit_test(keeps_within_two_and_twenty_seconds),
		cmocka_unit_test(begins_by_the_size),
		cmocka_unit_test(follows_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
