/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The default range: what this kernel keeps for its own sockets is not in it; and what is written is read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* What is written is read again, in a network namespace of its own: also a list longer than a page, which the kernel
 * takes in parts, and gives only whole.
 */
static void test_write(void **state)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct ranges list = {}, ranges;
	struct fault fault;
	int number = -1;

	(void)state;
	if (home < 0 || unshare(CLONE_NEWNET)) {
		print_message("# SKIP: needs root, for a network namespace\n");
		skip();
	}
	for (unsigned int port = 1; port <= 65535; port += 2) {
		ranges_add(&list, port, port);
		/* one; a few; more than fits a page; as many as there can be */
		if (port != 1 && port != 21 && port != 9999 && port != 65535)
			continue;
		if (sysctl_write_reserved(&list, &fault) || sysctl_read_reserved(&ranges, &fault))
			fail_msg("%s", fault.text);
		assert_memory_equal(&ranges, &list, sizeof(list));
	}
	memset(&list, 0, sizeof(list));
	assert_int_equal(sysctl_write_reserved(&list, &fault), 0);
	assert_int_equal(sysctl_read_reserved(&ranges, &fault), 0);
	assert_int_equal(ranges_count(&ranges), 0);

	assert_int_equal(sysctl_write_ephemeral(20000, 20999, &fault), 0);
	assert_int_equal(sysctl_read_ephemeral(&ranges, &fault), 0);
	assert_int_equal(ranges_count(&ranges), 1000);
	assert_true(ranges_contain(&ranges, 20000));
	assert_true(sysctl_write_ephemeral(20, 10, &fault) < 0);
	assert_non_null(strstr(fault.text, "ip_local_port_range"));

	assert_int_equal(sysctl_read_number("conf/lo/forwarding", &number, &fault), 0);
	assert_in_range(number, 0, 1);
	assert_true(sysctl_read_number("conf/nobody/forwarding", &number, &fault) < 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ephemeral),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests_name("sysctl", tests, NULL, NULL);
}
