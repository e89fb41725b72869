/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What keeps the fast path away by itself: what this kernel says of its rules, policies and queues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/fast_bypass.h"
#include "wires.h"

static struct fast_iface iface[2];
static const struct fast_ifaces ifaces = { .at = iface, .num = 2 };
static struct mnl_socket *ask;

static int enter(void **state)
{
	(void)state;
	wires_enter();
	wires_ip("link add wire type veth peer name far");
	wires_ip("link set wire up");
	for (int i = 0; i < 2; i++) {
		snprintf(iface[i].name, sizeof(iface[i].name), "%s", i ? "far" : "wire");
		iface[i].ifindex = if_nametoindex(iface[i].name);
		iface[i].carrier = &iface[i];
	}
	iface[0].takes_part = true;
	return netlink_open(NETLINK_ROUTE, &ask);
}

static int leave(void **state)
{
	(void)state;
	netlink_close(ask);
	return 0;
}

static void check(const char *words)
{
	char why[FAST_WHY] = "";
	bool found = fast_bypass_find(ask, &ifaces, why);

	assert_int_equal(found, words != NULL);
	if (words && !strstr(why, words))
		fail_msg("\"%s\" does not tell of \"%s\"", why, words);
}

static void nothing_is_there(void **state)
{
	(void)state;
	check(NULL);
}

static void routes_by_mark(void **state)
{
	(void)state;
	wires_ip("rule add from 10.0.0.0/8 lookup 100");
	check(NULL);
	wires_ip("rule add fwmark 0x2a lookup 100");
	check("fwmark 0x2a");
	wires_ip("rule del fwmark 0x2a lookup 100");
	check(NULL);
}

static void policies(void **state)
{
	static const char policy[] = "xfrm policy %s src 10.0.0.0/8 dst 10.1.0.0/16 dir %s %s";
	static const char tunnel[] = "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel";
	struct mnl_socket *socket;

	(void)state;
	if (netlink_open(NETLINK_XFRM, &socket)) {
		print_message("# SKIP: this kernel has no IPsec\n");
		skip();
	}
	netlink_close(socket);
	wires_ip(policy, "add", "in", tunnel);
	check(NULL);
	wires_ip(policy, "add", "out", tunnel);
	check("IPsec");
	wires_ip(policy, "del", "out", "");
	wires_ip(policy, "del", "in", "");
	check(NULL);
}

static void queues(void **state)
{
	(void)state;
	if (system("tc qdisc add dev far root tbf rate 1mbit burst 10k latency 10ms 2>/dev/null")) {
		print_message("# SKIP: this kernel has no tbf\n");
		skip();
	}
	check(NULL); /* it takes no part */
	assert_int_equal(system("tc qdisc add dev wire root tbf rate 1mbit burst 10k latency 10ms"), 0);
	check("wire has a qdisc of the kind tbf");
	assert_int_equal(system("tc qdisc replace dev wire root pfifo"), 0);
	check(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_there),
		cmocka_unit_test(routes_by_mark),
		cmocka_unit_test(policies),
		cmocka_unit_test(queues),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
