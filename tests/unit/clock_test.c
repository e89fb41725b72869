/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway's clock in user space beside what the hooks compute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clock.h"

#define NS_PER_S 1000000000ull
#define NUM(array) (sizeof(array) / sizeof((array)[0]))

static const __u32 kernel_hz[] = { 100, 250, 300, 1000 };

/* platform_now() of the hooks. */
static __u32 hook_now(const struct clock *clock, __u64 jiffies)
{
	return (jiffies * clock->mult) >> CLOCK_SHIFT;
}

/* The kernel counts a jiffy each TICK_NSEC of the monotonic clock, from wherever both began; ten days of it, at times
 * that have nothing to do with ticks. The two clocks agree within a tick, so in all but a few cases to the second.
 */
static void test_agrees_with_hooks(void **state)
{
	const __u64 jiffies0 = (__u32)(-300 * 250); /* five minutes before it wraps, as the kernel begins */
	const __u64 mono0 = 12345678901ull;

	(void)state;
	for (size_t i = 0; i < NUM(kernel_hz); i++) {
		__u32 hz = kernel_hz[i];
		__u64 tick_ns = (NS_PER_S + hz / 2) / hz;
		struct clock clock = clock_make(hz, 1, jiffies0, mono0);

		for (__u64 passed = 0; passed < 864000 * NS_PER_S; passed += 7777 * NS_PER_S + 123456789) {
			__u64 jiffies = jiffies0 + passed / tick_ns;
			__u32 ours = clock_at(&clock, mono0 + passed);

			assert_int_equal(ours, hook_now(&clock, jiffies));
			/* the base was read just before the next tick */
			ours = clock_at(&clock, mono0 + passed + tick_ns - 1);
			assert_true(ours - hook_now(&clock, jiffies) <= 1);
		}
	}
}

/* It counts seconds: to a thousandth, what the rounding of mult costs, whatever HZ is. */
static void test_counts_seconds(void **state)
{
	static const __u32 factors[] = { 1, 60, 10000 };

	(void)state;
	for (size_t i = 0; i < NUM(kernel_hz); i++)
		for (size_t n = 0; n < NUM(factors); n++) {
			struct clock clock = clock_make(kernel_hz[i], factors[n], 4294667296ull, 5 * NS_PER_S);
			__u64 passed = clock_at(&clock, 3605 * NS_PER_S) - clock_at(&clock, 5 * NS_PER_S);
			__u64 expect = 3600ull * factors[n];

			assert_in_range(passed, expect - expect / 1000 - 1, expect + expect / 1000 + 1);
		}
}

/* Moments before the base: a reader whose clock was read a little earlier must not see another era. */
static void test_before_base(void **state)
{
	struct clock clock = clock_make(250, 1, 1000000, 50 * NS_PER_S);

	(void)state;
	assert_in_range(clock_at(&clock, 50 * NS_PER_S) - clock_at(&clock, 40 * NS_PER_S), 9, 11);
}

static void test_this_kernel(void **state)
{
	__u32 hz = clock_read_hz();
	struct clock clock = clock_make(hz, 1, 0, clock_read_mono_ns());

	(void)state;
	/* CONFIG_HZ is one of these on every architecture we know */
	assert_true(hz == 100 || hz == 250 || hz == 300 || hz == 1000);
	assert_in_range(clock_now(&clock), 0, 60);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees_with_hooks),
		cmocka_unit_test(test_counts_seconds),
		cmocka_unit_test(test_before_base),
		cmocka_unit_test(test_this_kernel),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
