/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When changes make a new generation: at once, then ten times a second at most, and never is the last of them lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/pace.h"

#define BEGIN_MS 5000

/* How many generations a span makes, with a change every so many ms (0: none). */
static __u32 run(struct pace *pace, __u64 from_ms, __u64 to_ms, __u32 every_ms)
{
	__u32 num = 0;

	for (__u64 now_ms = from_ms; now_ms < to_ms; now_ms++) {
		if (every_ms && now_ms % every_ms == 0)
			pace_hear(pace, now_ms);
		num += pace_step(pace, now_ms);
	}
	return num;
}

static void nothing_makes_nothing(void **state)
{
	struct pace pace = {};

	(void)state;
	assert_true(pace_next(&pace) == PACE_NEVER);
	assert_int_equal(run(&pace, BEGIN_MS, BEGIN_MS + 5000, 0), 0);
}

static void the_first_change_counts_at_once(void **state)
{
	struct pace pace = {};

	(void)state;
	pace_hear(&pace, BEGIN_MS);
	assert_true(pace_step(&pace, BEGIN_MS));
	assert_true(pace_is_quiet(&pace, BEGIN_MS + PACE_MS - 1));
	assert_false(pace_is_quiet(&pace, BEGIN_MS + PACE_MS));
}

/* The kernel told of it before it was done. */
static void each_change_counts_twice_more(void **state)
{
	struct pace pace = {};

	(void)state;
	pace_hear(&pace, BEGIN_MS);
	assert_int_equal(run(&pace, BEGIN_MS, BEGIN_MS + 1, 0), 1);
	assert_int_equal(pace_next(&pace), BEGIN_MS + PACE_MS);
	assert_int_equal(run(&pace, BEGIN_MS + 1, BEGIN_MS + PACE_MS + 1, 0), 1);
	assert_int_equal(pace_next(&pace), BEGIN_MS + SETTLE_MS);
	assert_int_equal(run(&pace, BEGIN_MS + PACE_MS + 1, BEGIN_MS + SETTLE_MS + 1, 0), 1);
	assert_true(pace_next(&pace) == PACE_NEVER);
}

static void many_changes_count_ten_times_a_second(void **state)
{
	struct pace pace = {};

	(void)state;
	assert_in_range(run(&pace, BEGIN_MS, BEGIN_MS + 5000, 1), 49, 51);
}

static void the_last_change_is_not_lost(void **state)
{
	struct pace pace = {};

	(void)state;
	for (__u64 last_ms = 0; last_ms < 2 * PACE_MS; last_ms++) {
		__u64 begin_ms = BEGIN_MS + last_ms * 10000;

		pace_hear(&pace, begin_ms);
		assert_true(pace_step(&pace, begin_ms));
		run(&pace, begin_ms, begin_ms + last_ms, 0);
		pace_hear(&pace, begin_ms + last_ms);
		assert_true(run(&pace, begin_ms + last_ms, begin_ms + last_ms + PACE_MS + 1, 0) >= 1);
		run(&pace, begin_ms + last_ms, begin_ms + 9000, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_makes_nothing),
		cmocka_unit_test(the_first_change_counts_at_once),
		cmocka_unit_test(each_change_counts_twice_more),
		cmocka_unit_test(many_changes_count_ten_times_a_second),
		cmocka_unit_test(the_last_change_is_not_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
