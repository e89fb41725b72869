/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Suppressed events: taken once, and only after a while without any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/suppressed.h"

static void test_take(void **state)
{
	static const struct {
		__u32 second, suppressed, now_s, quiet_s, taken;
	} cases[] = {
		{ 100, 5, 100, 2, 0 },      /* the same second */
		{ 100, 5, 101, 2, 0 },      /* an event may still come and tell them */
		{ 100, 5, 102, 2, 5 },      /* quiet for long enough */
		{ 100, 5, 9000, 2, 5 },     /* nobody looked for a long time: the daemon was not there */
		{ 100, 0, 9000, 2, 0 },     /* nothing to tell */
		{ 101, 5, 100, 2, 0 },      /* the hook's clock was read after ours */
		{ 101, 5, 100, 0, 0 },      /* also at the end: that event is still on its way */
		{ 100, 5, 100, 0, 5 },      /* the end: whatever there is */
		{ UINT32_MAX, 5, 1, 2, 5 }, /* seconds wrap around */
		{ UINT32_MAX, 5, 0, 2, 0 }, { 0, UINT32_MAX, 2, 2, UINT32_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct limit limit = {
			.second = cases[i].second,
			.done = 11,
			.suppressed = cases[i].suppressed,
			.suppressed_ever = 7,
		};

		assert_int_equal(suppressed_take(&limit, cases[i].now_s, cases[i].quiet_s), cases[i].taken);
		assert_int_equal(limit.suppressed, cases[i].suppressed - cases[i].taken);
		/* what was taken is gone; what was not can be had later */
		assert_int_equal(suppressed_take(&limit, cases[i].now_s + 1000, 2),
				 cases[i].suppressed - cases[i].taken);
		assert_int_equal(limit.suppressed_ever, 7);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_take) };

	return cmocka_run_group_tests_name("suppressed", tests, NULL, NULL);
}
