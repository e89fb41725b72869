/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port ranges: what a user may write, and sets of ports against an array of flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"
#include "ranges.h"

#define NUM_ROUNDS 200

static void check_text(const char *text, const char *expect)
{
	struct ranges ranges;
	struct fault fault;
	char *again;

	if (ranges_parse(text, &ranges, &fault))
		fail_msg("%s: %s", text, fault.text);
	again = ranges_format(&ranges);
	assert_string_equal(again, expect);
	free(again);
}

static void test_good_text(void **state)
{
	(void)state;
	check_text("50000", "50000");
	check_text("1-65535", "1-65535");
	check_text("40000-49999,52000,60000-60999", "40000-49999,52000,60000-60999");
	check_text("60000,1,3-4", "1,3-4,60000");
	/* adjacent ones are one */
	check_text("5-6,7,8-10", "5-10");
	check_text("65535", "65535");
}

static void test_bad_text(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} bad[] = {
		{ "", "at least one" },
		{ ",", "such as" },
		{ "1,", "such as" },
		{ ",1", "such as" },
		{ "1,,2", "such as" },
		{ "a", "such as" },
		{ "1-", "such as" },
		{ "-1", "such as" },
		{ "1-2-3", "such as" },
		{ "1 2", "such as" },
		{ " 1", "such as" },
		{ "+1", "such as" },
		{ "0x10", "such as" },
		{ "1.5", "such as" },
		{ "0", "1 to 65535" },
		{ "0-5", "1 to 65535" },
		{ "65536", "1 to 65535" },
		{ "1-65536", "1 to 65535" },
		{ "99999999999999999999", "1 to 65535" },
		{ "50000-40000", "must not exceed" },
		{ "1-5,3", "port 3 is there twice" },
		{ "7,7", "port 7 is there twice" },
		{ "1-5,5-9", "port 5 is there twice" },
	};
	struct ranges ranges, before;
	struct fault fault;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ranges = before;
		assert_int_equal(ranges_parse(bad[i].text, &ranges, &fault), -EINVAL);
		if (!strstr(fault.text, bad[i].says))
			fail_msg("\"%s\": %s", bad[i].text, fault.text);
		assert_memory_equal(&ranges, &before, sizeof(ranges));
	}
}

/* "1,3,5,..": as many slices as asked for. */
static char *many_slices(int num)
{
	char *text = malloc((size_t)num * 6 + 1);
	size_t len = 0;

	for (int i = 0; i < num; i++)
		len += sprintf(text + len, i ? ",%d" : "%d", 2 * i + 1);
	return text;
}

static void test_number_of_slices(void **state)
{
	char *most = many_slices(MAX_SLICES), *more = many_slices(MAX_SLICES + 1);
	struct ranges ranges;
	struct config config;
	struct fault fault;

	(void)state;
	assert_int_equal(ranges_parse(more, &ranges, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "too many"));
	assert_int_equal(ranges_parse(most, &ranges, &fault), 0);
	assert_int_equal(ranges_to_config(&ranges, &config), 0);
	assert_int_equal(config.num_slices, MAX_SLICES);
	assert_int_equal(config.num_ports, MAX_SLICES);
	ranges_add(&ranges, 65535, 65535);
	assert_int_equal(ranges_to_config(&ranges, &config), -E2BIG);
	free(most);
	free(more);
}

/* ---- against flags --------------------------------------------------------------------------------------------- */

struct flags {
	bool at[NUM_PORTS];
};

static struct ranges draw(struct flags *flags)
{
	struct ranges ranges = {};
	int slices = platform_random() % 20;

	memset(flags, 0, sizeof(*flags));
	for (int i = 0; i < slices; i++) {
		unsigned int first = platform_random() % NUM_PORTS;
		unsigned int last = first + platform_random() % (NUM_PORTS - first);

		if (platform_random() % 2)
			last = first;
		ranges_add(&ranges, first, last);
		for (unsigned int port = first; port <= last; port++)
			flags->at[port] = true;
	}
	return ranges;
}

static void check_flags(const struct ranges *ranges, const struct flags *flags)
{
	unsigned int port = 0, count = 0, end = 0;
	__u16 first, last;

	for (unsigned int i = 0; i < NUM_PORTS; i++) {
		assert_int_equal(ranges_contain(ranges, i), flags->at[i]);
		count += flags->at[i];
	}
	assert_int_equal(ranges_count(ranges), count);
	while (ranges_next(ranges, &port, &first, &last)) {
		/* nothing between two slices, and at least one port there */
		assert_true(first >= end && (!end || first > end));
		for (; end < first; end++)
			assert_false(flags->at[end]);
		for (; end <= last; end++)
			assert_true(flags->at[end]);
		assert_int_equal(port, end);
	}
	for (; end < NUM_PORTS; end++)
		assert_false(flags->at[end]);
}

static void test_sets(void **state)
{
	static struct flags a_flags, b_flags, common, less;

	(void)state;
	platform.random = 20131;
	for (int round = 0; round < NUM_ROUNDS; round++) {
		struct ranges a = draw(&a_flags), b = draw(&b_flags), result;

		for (unsigned int i = 0; i < NUM_PORTS; i++) {
			common.at[i] = a_flags.at[i] && b_flags.at[i];
			less.at[i] = a_flags.at[i] && !b_flags.at[i];
		}
		check_flags(&a, &a_flags);
		result = a;
		ranges_intersect(&result, &b);
		check_flags(&result, &common);
		result = a;
		ranges_subtract(&result, &b);
		check_flags(&result, &less);
	}
}

static void test_slices(void **state)
{
	static struct flags flags;
	struct ranges again;
	struct config config;

	(void)state;
	platform.random = 7;
	for (int round = 0; round < NUM_ROUNDS; round++) {
		struct ranges ranges = draw(&flags);
		__u32 before = 0;

		assert_int_equal(ranges_to_config(&ranges, &config), 0);
		for (__u32 i = 0; i < config.num_slices; i++) {
			assert_int_equal(config.slice[i].before, before);
			before += config.slice[i].last - config.slice[i].first + 1;
		}
		assert_int_equal(config.num_ports, before);
		assert_memory_equal(config.ranges, ranges.word, sizeof(config.ranges));
		ranges_from_config(&config, &again);
		assert_memory_equal(&again, &ranges, sizeof(ranges));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_text),        cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_number_of_slices), cmocka_unit_test(test_sets),
		cmocka_unit_test(test_slices),
	};

	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
