/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What devices say of VLAN tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/offload.h"
#include "wires.h"

static int enter(void **state)
{
	(void)state;
	wires_enter();
	wires_ip("link add wire type veth peer name far");
	return 0;
}

static void by_either_protocol(void **state)
{
	(void)state;
	assert_int_equal(offload_read_tags("wire"), TAGS_HIDDEN);
	assert_int_equal(system("ethtool -K wire rxvlan off"), 0);
	assert_int_equal(offload_read_tags("wire"), TAGS_HIDDEN);
	assert_int_equal(system("ethtool -K wire rx-vlan-stag-hw-parse off"), 0);
	assert_int_equal(offload_read_tags("wire"), TAGS_KEPT);
	assert_int_equal(system("ethtool -K wire rxvlan on"), 0);
	assert_int_equal(offload_read_tags("wire"), TAGS_HIDDEN);
	assert_int_equal(offload_read_tags("far"), TAGS_HIDDEN);
}

static void of_nobody(void **state)
{
	(void)state;
	assert_int_equal(offload_read_tags("nobody"), TAGS_KEPT);
	assert_int_equal(offload_read_tags("lo"), TAGS_KEPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_either_protocol),
		cmocka_unit_test(of_nobody),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
