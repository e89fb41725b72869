/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The port ranges: the n-th port and "is this one of ours" agree with a plain set of ports, whatever the slices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "contract.h"
#include "pool.h"
#include "port.h"
#include "ranges.h"
#include "world.h"

static struct config config;

/* Counts the ports of the set through, and looks for each port whether it is in. */
static void compare(const struct ranges *ranges)
{
	__u32 number = 0;

	assert_int_equal(ranges_to_config(ranges, &config), 0);
	assert_int_equal(config.num_ports, ranges_count(ranges));
	for (__u32 port = 0; port < NUM_PORTS; port++) {
		bool in = ranges_contain(ranges, port);

		if (bitmap_has(config.ranges, port) != in)
			fail_msg("port %u: should be %s", port, in ? "ours" : "somebody's");
		if (in && port_at(&config, number++) != port)
			fail_msg("port number %u is %u, not %u", number - 1, port_at(&config, number - 1), port);
	}
}

static void agrees_on_written_ranges(void **state)
{
	/* as MAP-E cuts them: 15 slices of 16 */
	static const char map_e[] = "4096-4111,8192-8207,12288-12303,16384-16399,20480-20495,24576-24591,28672-28687,"
				    "32768-32783,36864-36879,40960-40975,45056-45071,49152-49167,53248-53263,"
				    "57344-57359,61440-61455";
	const char *const texts[] = {
		"1", "50000", "65535", "1-65535", "1024-32767,61000-65535", "40000-40009,40011,40013-40020", map_e,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct ranges ranges;
		struct fault fault;

		assert_int_equal(ranges_parse(texts[i], &ranges, &fault), 0);
		compare(&ranges);
	}
}

/* Every number of slices there can be. */
static void agrees_on_every_number_of_slices(void **state)
{
	(void)state;
	platform.random = world_seed() | 1;
	for (__u32 num = 1; num <= MAX_SLICES; num++) {
		struct ranges ranges = { 0 };
		__u32 stride = NUM_PORTS / num;

		for (__u32 i = 0; i < num; i++) {
			__u32 first = i * stride + 1 + platform_random() % (stride / 4);

			ranges_add(&ranges, first, first + platform_random() % (stride / 2));
		}
		compare(&ranges);
		assert_int_equal(config.num_slices, num);
	}
}

static void has_no_port_without_ranges(void **state)
{
	(void)state;
	memset(&config, 0xff, sizeof(config));
	assert_int_equal(ranges_to_config(&(struct ranges){ 0 }, &config), 0);
	for (__u32 port = 0; port < NUM_PORTS; port++)
		assert_false(bitmap_has(config.ranges, port));
	for (int i = 0; i < SUMMARY_WORDS; i++)
		assert_int_equal(config.ranges_open[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_on_written_ranges),
		cmocka_unit_test(agrees_on_every_number_of_slices),
		cmocka_unit_test(has_no_port_without_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
