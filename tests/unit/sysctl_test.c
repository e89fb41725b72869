/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The default range: what this kernel keeps for its own sockets is not in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "sysctl.h"

/* As the kernel prints it, read once more by other means. */
static void test_ephemeral(void **state)
{
	unsigned int first, last, port = 0;
	__u16 ret_first, ret_last;
	struct ranges ranges;
	struct fault fault;
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");

	(void)state;
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%u %u", &first, &last), 2);
	fclose(file);
	if (sysctl_read_ephemeral(&ranges, &fault))
		fail_msg("%s", fault.text);
	assert_true(ranges_next(&ranges, &port, &ret_first, &ret_last));
	assert_int_equal(ret_first, first);
	assert_int_equal(ret_last, last);
	assert_false(ranges_next(&ranges, &port, &ret_first, &ret_last));
}

static void test_default(void **state)
{
	struct ranges ranges, ephemeral, reserved;
	struct fault fault;

	(void)state;
	if (sysctl_read_ephemeral(&ephemeral, &fault) || sysctl_read_reserved(&reserved, &fault))
		fail_msg("%s", fault.text);
	if (sysctl_read_default(&ranges, &fault))
		fail_msg("%s", fault.text);
	for (unsigned int port = 0; port < NUM_PORTS; port++) {
		bool kept = ranges_contain(&ephemeral, port) || ranges_contain(&reserved, port);

		assert_int_equal(ranges_contain(&ranges, port), port >= 1024 && !kept);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ephemeral),
		cmocka_unit_test(test_default),
	};

	return cmocka_run_group_tests_name("sysctl", tests, NULL, NULL);
}
