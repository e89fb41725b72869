/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which interfaces take part in the fast path, and what is said of the others. */
#include "daemon/fast_choose.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/fast_map.h"
#include "daemon/xdp_feature.h"
#include "fast_text.h"
#include "platform.h"

#define OUTSIDE 2
#define INSIDE 3
#define ALL (XDP_FEATURE_BASIC | XDP_FEATURE_REDIRECT | XDP_FEATURE_XMIT)
#define MAX 8

static const struct instance instance = { .iface = "wan" };
static struct header header = { .ifindex = OUTSIDE };
static struct dataplane dataplane = { .instance = &instance };
static struct fast_ifaces ifaces;

static struct fast_iface device(const char *name, __u32 ifindex)
{
	struct fast_iface iface = {
		.ifindex = ifindex,
		.mtu = 1500,
		.mac = { 2, 0, 0, 0, 0, ifindex },
		.ethernet = true,
		.up = true,
		.on_bus = true,
		.knows_features = true,
		.features = ALL,
	};

	strncpy(iface.name, name, sizeof(iface.name) - 1);
	return iface;
}

static struct fast_iface vlan_upon(const char *name, __u32 ifindex, __u32 lower, __u16 number)
{
	struct fast_iface iface = device(name, ifindex);

	strcpy(iface.kind, "vlan");
	iface.lower = lower;
	iface.vlan_proto = cpu_to_be16(0x8100);
	iface.vlan = cpu_to_be16(number);
	iface.on_bus = false;
	return iface;
}

static int begin(void **state)
{
	(void)state;
	dataplane.table.header = &header;
	memset(&dataplane.table.config, 0, sizeof(dataplane.table.config));
	ifaces.at = calloc(MAX, sizeof(*ifaces.at));
	ifaces.at[0] = device("wan", OUTSIDE);
	ifaces.at[1] = device("lan", INSIDE);
	ifaces.num = 2;
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(ifaces.at);
	return 0;
}

static void list(const char *first, const char *second)
{
	struct interfaces *wanted = &dataplane.table.config.fast_path;

	wanted->mode = INTERFACES_LIST;
	wanted->num = second ? 2 : 1;
	strcpy(wanted->iface[0], first);
	if (second)
		strcpy(wanted->iface[1], second);
}

static const struct fast_iface *chosen(const char *name)
{
	return fast_ifaces_named(&ifaces, name);
}

static void assert_stays(const char *name, const char *why)
{
	const struct fast_iface *iface = chosen(name);

	assert_non_null(iface);
	assert_false(iface->takes_part);
	if (!strstr(iface->why, why))
		fail_msg("%s: \"%s\" does not say \"%s\"", name, iface->why, why);
}

static void auto_takes_what_has_a_wire(void **state)
{
	(void)state;
	ifaces.at[2] = device("br0", 4);
	ifaces.at[2].on_bus = false;
	ifaces.num = 3;
	assert_int_equal(fast_choose(&dataplane, &ifaces), 0);
	assert_true(chosen("wan")->takes_part && chosen("lan")->takes_part);
	assert_stays("br0", "auto takes devices on a bus");
	assert_false(chosen("br0")->worth_saying);
}

/* What is wrong with an interface, and what is said of it, in silence. */
static void refusals(void **state)
{
	static const struct {
		const char *why;
		bool knows, master, no_ethernet;
		__u64 features;
	} cases[] = {
		{ "has no native XDP", .knows = true },
		{ "cannot redirect", .knows = true, .features = XDP_FEATURE_BASIC },
		{ "before 6.3 do not tell", .knows = false },
		{ "is a port of", .knows = true, .features = ALL, .master = true },
		{ "no Ethernet header", .knows = true, .features = ALL, .no_ethernet = true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fast_iface *lan = &ifaces.at[1];

		*lan = device("lan", INSIDE);
		lan->knows_features = cases[i].knows;
		lan->features = cases[i].features;
		lan->has_master = cases[i].master;
		lan->ethernet = !cases[i].no_ethernet;
		assert_int_equal(fast_choose(&dataplane, &ifaces), 0);
		assert_stays("lan", cases[i].why);
		assert_false(chosen("lan")->worth_saying);
		assert_stays("wan", "no interface that leads inside takes part");
	}
	(void)state;
}

/* A list is believed where the kernel does not tell. */
static void list_is_tried(void **state)
{
	(void)state;
	list("wan", "lan");
	ifaces.at[0].knows_features = ifaces.at[1].knows_features = false;
	ifaces.at[0].on_bus = ifaces.at[1].on_bus = false;
	assert_int_equal(fast_choose(&dataplane, &ifaces), 0);
	assert_true(chosen("wan")->takes_part && chosen("lan")->takes_part);
}

static void unknown_name(void **state)
{
	(void)state;
	list("wan", "typo");
	assert_int_equal(fast_choose(&dataplane, &ifaces), 0);
	assert_stays("typo", "there is no such interface");
	assert_true(chosen("typo")->worth_saying);
	assert_stays("lan", "does not list it");
	assert_stays("wan", "no interface that leads inside takes part");
}

static void external_is_needed(void **state)
{
	(void)state;
	list("lan", NULL);
	assert_int_equal(fast_choose(&dataplane, &ifaces), 0);
	assert_stays("lan", "the external interface takes no part");
}

/* Whose XDP program that is does not matter: it is not ours. */
static void foreign_program(void **state)
{
	(void)state;
	ifaces.at[1].xdp = 4711;
	assert_int_equal(fast_choose(&dataplane, &ifaces), 0);
	assert_stays("lan", "(id 4711, \"\"), and is not replaced");
	assert_true(chosen("lan")->worth_saying);
}

/* The second of two that have one place in the map of ports. */
static void one_place(void **state)
{
	(void)state;
	ifaces.at[2] = device("lan2", INSIDE + NUM_FAST_LINK);
	ifaces.num = 3;
	assert_int_equal(fast_choose(&dataplane, &ifaces), 0);
	assert_true(chosen("lan")->takes_part);
	assert_stays("lan2", "has its place in the map of ports");
}

static void vlans(void **state)
{
	struct fast_map *map = malloc(sizeof(*map));

	(void)state;
	header.ifindex = 10;
	list("wan", "lan.7");
	ifaces.at[2] = vlan_upon("wan.5", 10, OUTSIDE, 5);
	ifaces.at[3] = vlan_upon("lan.7", 11, INSIDE, 7);
	ifaces.at[4] = vlan_upon("lan.8", 12, INSIDE, 8);
	ifaces.at[5] = vlan_upon("lan.7.9", 13, 11, 9);
	ifaces.num = 6;
	assert_int_equal(fast_choose(&dataplane, &ifaces), 0);
	assert_true(chosen("wan.5")->takes_part && chosen("wan")->takes_part && chosen("lan.7")->takes_part);
	assert_stays("lan", "does not list it");
	assert_stays("lan.8", "does not list it");
	assert_stays("lan.7.9", "VLAN upon a VLAN");

	fast_map_make(&ifaces, header.ifindex, map);
	header.ifindex = OUTSIDE;
	/* the device is an internal one, its VLAN the external one */
	assert_int_equal(map->link[OUTSIDE].role, FAST_INTERNAL);
	assert_true(map->link[OUTSIDE].has_vlans);
	/* only its VLAN takes part */
	assert_int_equal(map->link[INSIDE].ifindex, INSIDE);
	assert_int_equal(map->link[INSIDE].role, FAST_NONE);
	assert_true(map->link[INSIDE].has_vlans);
	assert_int_equal(map->num_vlans, 2);
	assert_int_equal(map->vlan[0].role, FAST_EXTERNAL);
	assert_int_equal(map->vlan_key[0].ifindex, OUTSIDE);
	assert_int_equal(map->vlan_key[0].vlan, cpu_to_be16(5));
	assert_int_equal(map->vlan[1].role, FAST_INTERNAL);
	assert_int_equal(map->vlan[1].ifindex, 11);
	assert_int_equal(map->num_exits, 3);
	assert_int_equal(map->exit_key[2], 11);
	assert_int_equal(map->exit[2].port, INSIDE);
	assert_int_equal(map->exit[2].vlan, cpu_to_be16(7));
	free(map);
}

static void vlan_that_cannot(void **state)
{
	(void)state;
	ifaces.at[2] = vlan_upon("lan.7", 11, INSIDE, 7);
	ifaces.at[2].vlan_priorities = true;
	ifaces.at[3] = vlan_upon("far.8", 12, 0, 8);
	ifaces.num = 4;
	list("wan", "far.8");
	dataplane.table.config.fast_path.num = 3;
	strcpy(dataplane.table.config.fast_path.iface[2], "lan");
	assert_int_equal(fast_choose(&dataplane, &ifaces), 0);
	assert_true(chosen("lan")->takes_part);
	assert_stays("lan.7", "egress-qos-map");
	assert_stays("far.8", "in another network namespace");
}

/* A tag that xdp does not see. */
static void hidden_tags(void **state)
{
	static const struct {
		enum offload_tags tags;
		bool upper, listed;
		const char *why; /* NULL: it takes part */
	} cases[] = {
		{ TAGS_FILTERED, .why = NULL },
		{ TAGS_HIDDEN, .why = "rx-vlan-filter is off" },
		{ TAGS_HIDDEN, .listed = true, .why = NULL },
		{ TAGS_KEPT, .upper = true, .why = NULL },
		{ TAGS_FILTERED, .upper = true, .why = "has VLANs upon it" },
		{ TAGS_FILTERED, .upper = true, .listed = true, .why = "has VLANs upon it" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ifaces.at[1] = device("lan", INSIDE);
		ifaces.at[1].tags = cases[i].tags;
		ifaces.at[2] = vlan_upon("lan.7", 11, INSIDE, 7);
		ifaces.num = cases[i].upper ? 3 : 2;
		dataplane.table.config.fast_path.mode = INTERFACES_AUTO;
		if (cases[i].listed)
			list("wan", "lan");
		assert_int_equal(fast_choose(&dataplane, &ifaces), 0);
		assert_int_equal(chosen("lan")->takes_part, !cases[i].why);
		assert_int_equal(chosen("lan")->worth_saying, cases[i].listed || cases[i].why == cases[1].why);
		if (cases[i].why)
			assert_stays("lan", cases[i].why);
		if (cases[i].upper)
			assert_int_equal(chosen("lan.7")->takes_part, !cases[i].why);
	}
}

static void what_a_driver_says(void **state)
{
	struct fast_iface big = device("lan", INSIDE);
	char why[FAST_WHY];

	(void)state;
	fast_explain_refusal(&big, -EPERM, "Operation not permitted", why);
	assert_non_null(strstr(why, "Operation not permitted; CAP_NET_ADMIN"));
	fast_explain_refusal(&big, -ERANGE, "MTU is too large", why);
	assert_non_null(strstr(why, "MTU is too large; an MTU of 3046 or less"));
	big.mtu = 9000;
	fast_explain_refusal(&big, -EINVAL, "Invalid argument", why);
	assert_non_null(strstr(why, "ip link set dev lan mtu 3046"));
}

static void every_reason_has_a_text(void **state)
{
	(void)state;
	for (enum fast_reason reason = 0; reason < NUM_FAST_REASON; reason++) {
		assert_non_null(fast_text[reason].name);
		assert_non_null(fast_text[reason].meaning);
		for (enum fast_reason other = 0; other < reason; other++)
			assert_string_not_equal(fast_text[reason].name, fast_text[other].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(auto_takes_what_has_a_wire, begin, end),
		cmocka_unit_test_setup_teardown(refusals, begin, end),
		cmocka_unit_test_setup_teardown(list_is_tried, begin, end),
		cmocka_unit_test_setup_teardown(unknown_name, begin, end),
		cmocka_unit_test_setup_teardown(external_is_needed, begin, end),
		cmocka_unit_test_setup_teardown(foreign_program, begin, end),
		cmocka_unit_test_setup_teardown(one_place, begin, end),
		cmocka_unit_test_setup_teardown(vlans, begin, end),
		cmocka_unit_test_setup_teardown(vlan_that_cannot, begin, end),
		cmocka_unit_test_setup_teardown(hidden_tags, begin, end),
		cmocka_unit_test(what_a_driver_says),
		cmocka_unit_test(every_reason_has_a_text),
	};

	return cmocka_run_group_tests_name("fast path: who takes part", tests, NULL, NULL);
}
