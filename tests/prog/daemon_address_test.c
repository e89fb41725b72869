/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon reads of interfaces and addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/address.h"
#include "daemon/external.h"
#include "daemon/route.h"
#include "wires.h"

static struct mnl_socket *rtnl;

static struct addresses look(const char *iface)
{
	static struct addresses addresses;

	assert_int_equal(addresses_read(rtnl, iface, &addresses), 0);
	return addresses;
}

static void assert_address(__be32 addr, const char *expected)
{
	assert_int_equal(addr, inet_addr(expected));
}

static __be32 gateway_of(const struct addresses *addresses, const char *iface)
{
	for (__u32 i = 0; i < addresses->num_gateways; i++)
		if (addresses->gateway[i].ifindex == if_nametoindex(iface))
			return addresses->gateway[i].addr;
	return 0;
}

static int add_interfaces(void **state)
{
	(void)state;
	wires_enter();
	assert_int_equal(netlink_open(NETLINK_ROUTE, &rtnl), 0);
	wires_ip("link add ext type veth peer name far");
	wires_ip("link add int type veth peer name near");
	return 0;
}

static int remove_interfaces(void **state)
{
	(void)state;
	netlink_close(rtnl);
	return 0;
}

static void sees_an_interface(void **state)
{
	struct addresses addresses;

	(void)state;
	addresses = look("ext");
	assert_int_equal(addresses.link.ifindex, if_nametoindex("ext"));
	assert_int_equal(addresses.link.type, ARPHRD_ETHER);
	assert_false(addresses.link.up);
	assert_int_equal(addresses.num_own, 0);
	assert_int_equal(addresses.external, 0);
	wires_ip("link set ext up");
	assert_true(look("ext").link.up);
	assert_int_equal(look("nobody").link.ifindex, 0);
}

static void takes_the_first_global_address(void **state)
{
	struct addresses addresses;

	(void)state;
	wires_ip("address add 169.254.7.7/16 scope link dev ext");
	addresses = look("ext");
	assert_int_equal(addresses.external, 0);
	assert_int_equal(addresses.num_own, 1);

	wires_ip("address add 192.0.2.1/24 dev ext");
	wires_ip("address add 192.0.2.2/24 dev ext"); /* a secondary one */
	wires_ip("address add 198.51.100.1/24 dev ext");
	addresses = look("ext");
	assert_address(addresses.external, "192.0.2.1");
	assert_address(addresses.own[0], "192.0.2.1");
	assert_int_equal(addresses.num_own, 4);
	assert_true(addresses_own(&addresses, inet_addr("169.254.7.7")));
	assert_true(addresses_own(&addresses, inet_addr("192.0.2.2")));
	assert_false(addresses_own(&addresses, inet_addr("192.0.2.3")));

	wires_ip("address delete 192.0.2.1/24 dev ext"); /* takes its secondary one with it */
	assert_address(look("ext").external, "198.51.100.1");
	wires_ip("address flush dev ext");
	assert_int_equal(look("ext").num_own, 0);
}

static void takes_our_end_of_a_point_to_point_link(void **state)
{
	(void)state;
	wires_ip("address add 192.0.2.1 peer 192.0.2.254 dev ext");
	assert_address(look("ext").external, "192.0.2.1");
	wires_ip("address flush dev ext");
}

/* By one program: there are hundreds. */
static void add_link_addresses(int num)
{
	FILE *batch = popen("ip -batch -", "we"); /* NOLINT(bugprone-command-processor) */

	assert_non_null(batch);
	for (int i = 0; i < num; i++)
		fprintf(batch, "address add 169.254.%d.%d/16 scope link dev ext\n", 7 + i / 200, 1 + i % 200);
	assert_int_equal(pclose(batch), 0);
}

static void counts_what_does_not_fit(void **state)
{
	struct addresses addresses;

	(void)state;
	add_link_addresses(MAX_OWN_ADDRS + 2);
	wires_ip("address add 192.0.2.1/24 dev ext");
	addresses = look("ext");
	assert_int_equal(addresses.num_own, MAX_OWN_ADDRS);
	assert_int_equal(addresses.num_own_left_out, 3);
	assert_address(addresses.own[0], "192.0.2.1");
	/* in parts: an emulated machine has no buffers for hundreds of answers at a time */
	wires_ip("address flush dev ext || ip address flush dev ext || ip address flush dev ext");
}

static void knows_the_other_interfaces(void **state)
{
	struct addresses addresses;

	(void)state;
	wires_ip("address add 192.0.2.1/24 dev ext");
	wires_ip("address add 192.168.0.1/24 dev int");
	wires_ip("address add 192.168.9.1/24 dev int");
	addresses = look("ext");
	assert_int_equal(addresses.num_gateways, 1); /* not the loopback */
	assert_int_equal(gateway_of(&addresses, "int"), inet_addr("192.168.0.1"));
	assert_int_equal(gateway_of(&addresses, "ext"), 0);
	/* Also while the external interface is not there. */
	addresses = look("nobody");
	assert_int_equal(gateway_of(&addresses, "int"), inet_addr("192.168.0.1"));
	assert_int_equal(addresses.external, 0);
}

static bool is_local(const char *addr)
{
	bool local = false;

	assert_int_equal(route_is_local(rtnl, inet_addr(addr), &local), 0);
	return local;
}

static void asks_the_route_what_is_ours(void **state)
{
	(void)state;
	wires_ip("link set lo up");
	wires_ip("address flush dev ext");
	wires_ip("link set ext up");
	wires_ip("address add 192.0.2.1/24 dev ext");
	wires_ip("route add local 203.0.113.8/30 dev lo");
	wires_ip("route add unreachable 198.51.100.1/32");
	wires_ip("route add prohibit 198.51.100.2/32");
	wires_ip("route add blackhole 198.51.100.3/32");
	wires_ip("route add throw 198.51.100.4/32");
	assert_true(is_local("192.0.2.1"));
	assert_true(is_local("203.0.113.8"));
	assert_true(is_local("203.0.113.11"));
	assert_false(is_local("203.0.113.12"));
	assert_false(is_local("192.0.2.2"));
	assert_false(is_local("192.0.2.255"));
	for (int i = 1; i <= 5; i++) {
		char addr[24];

		snprintf(addr, sizeof(addr), "198.51.100.%d", i);
		assert_false(is_local(addr));
	}
}

static __be32 source_of(const char *iface)
{
	__be32 source = 0;

	assert_int_equal(route_read_source(rtnl, if_nametoindex(iface), &source), 0);
	return source;
}

static void asks_the_route_for_the_source(void **state)
{
	__be32 source = 1;

	(void)state;
	wires_ip("link set far up");
	wires_ip("address add 192.0.2.2/24 dev ext");
	assert_address(source_of("ext"), "192.0.2.1"); /* no route at all: the first address */
	wires_ip("route add default via 192.0.2.254 dev ext src 192.0.2.2");
	assert_address(source_of("ext"), "192.0.2.2");
	assert_int_not_equal(route_read_source(rtnl, 9999, &source), 0);
	assert_int_equal(source, 1);
	wires_ip("route delete default");
}

static void lists_the_external_addresses_that_are_ours(void **state)
{
	static struct settings settings = { .iface = "ext" };
	struct addresses addresses = look("ext");
	struct externals externals;
	struct fault fault;
	char text[EXTERNALS_TEXT];

	(void)state;
	assert_int_equal(externals_read(rtnl, &settings, &addresses, &externals), 0);
	assert_int_equal(externals.num, 1);
	assert_address(externals.addr[0], "192.0.2.1");
	assert_address(externals.source, "192.0.2.1");
	assert_string_equal(externals_format(&externals, text), "192.0.2.1");

	assert_int_equal(external_items_add(&settings.external, "203.0.113.8/29", "--external", &fault), 0);
	assert_int_equal(external_items_add(&settings.external, "192.0.2.2", "--external", &fault), 0);
	assert_int_equal(external_items_add(&settings.external, "192.0.2.9", "--external", &fault), 0);
	assert_int_equal(externals_read(rtnl, &settings, &addresses, &externals), 0);
	assert_int_equal(externals.num, 5);
	assert_int_equal(externals.num_missing, 5);
	assert_address(externals.addr[0], "203.0.113.8");
	assert_address(externals.addr[4], "192.0.2.2");
	assert_address(externals.missing, "203.0.113.12");
	assert_true(externals_has(&externals, inet_addr("203.0.113.11")));
	assert_false(externals_has(&externals, inet_addr("203.0.113.12")));
	assert_string_equal(externals_format(&externals, text), "203.0.113.8 and 4 others");
	assert_int_equal(externals_fault(&externals, &settings, &fault), -EADDRNOTAVAIL);
	assert_non_null(strstr(fault.text, "203.0.113.12 of the external prefix 203.0.113.8/29"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sees_an_interface),
		cmocka_unit_test(takes_the_first_global_address),
		cmocka_unit_test(takes_our_end_of_a_point_to_point_link),
		cmocka_unit_test(counts_what_does_not_fit),
		cmocka_unit_test(knows_the_other_interfaces),
		cmocka_unit_test(asks_the_route_what_is_ours),
		cmocka_unit_test(asks_the_route_for_the_source),
		cmocka_unit_test(lists_the_external_addresses_that_are_ours),
	};

	return cmocka_run_group_tests(tests, add_interfaces, remove_interfaces);
}
