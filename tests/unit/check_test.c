/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found in the way, from facts; who holds which ports; and what the fix would make of the two sysctls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "check_fix.h"
#include "check_holder.h"
#include "platform.h"

static struct ranges parse(const char *text)
{
	struct ranges ranges = {};
	struct fault fault;

	if (*text && ranges_parse(text, &ranges, &fault))
		fail_msg("%s", fault.text);
	return ranges;
}

static void check_ranges(const struct ranges *ranges, const char *expected)
{
	char *text = ranges_format(ranges);

	assert_string_equal(text, expected);
	free(text);
}

/* ---- the fix --------------------------------------------------------------------------------------------------- */

static const struct plan_case {
	const char *name;
	__u16 first, last;
	const char *reserved;
	const char *ports;
	__u16 new_first, new_last; /* 0: refused */
	const char *new_reserved;
} plan_cases[] = {
	{ "nothing in common", 32768, 60999, "", "1024-32767,61000-65535", 32768, 60999, "" },
	{ "all reserved already", 32768, 60999, "50000-50009", "50000-50009", 32768, 60999, "50000-50009" },
	{ "at the high end", 32768, 60999, "", "50000-60999", 32768, 49999, "" },
	{ "across the high end", 32768, 60999, "", "50000-65535", 32768, 49999, "" },
	{ "at the low end", 32768, 60999, "", "32768-39999", 40000, 60999, "" },
	{ "across the low end", 32768, 60999, "", "1024-39999", 40000, 60999, "" },
	{ "cut so that both ends are even", 32768, 60999, "", "50001-60999", 32768, 49999, "" },
	{ "cut so that both ends are odd", 32768, 60999, "", "32768-40000", 40002, 60999, "" },
	{ "ends that were alike, and nothing cut", 32768, 61000, "", "50000", 32768, 61000, "50000" },
	{ "in the middle", 32768, 60999, "", "50000", 32768, 60999, "50000" },
	{ "at both ends and in the middle", 32768, 60999, "", "32768-33767,50000-50099,60000-60999", 33768, 59999,
	  "50000-50099" },
	{ "what was reserved stays", 32768, 60999, "8080,40000", "50000", 32768, 60999, "8080,40000,50000" },
	{ "a part is reserved", 32768, 60999, "50000-50004", "50000-50009", 32768, 60999, "50000-50009" },
	{ "reserved ports behind ours", 32768, 60999, "60990-60999", "60980-60989", 32768, 60979, "60990-60999" },
	{ "reserved ports at an end without ours", 32768, 60999, "32768-32777", "50000", 32768, 60999,
	  "32768-32777,50000" },
	{ "all of it", 32768, 60999, "", "32768-60999", 0, 0, NULL },
	{ "1024 are left", 32768, 33999, "", "33792-33999", 32768, 33791, "" },
	{ "1023 are left", 32768, 33999, "", "33791-33999", 0, 0, NULL },
	{ "1025 are left, one goes", 32768, 33999, "", "33793-33999", 32768, 33791, "" },
	{ "1024 are left, half of them reserved", 32768, 33999, "32800-33311", "33792-33999", 0, 0, NULL },
};

static void test_plan(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plan_cases) / sizeof(plan_cases[0]); i++) {
		const struct plan_case *c = &plan_cases[i];
		struct ephemeral old = { .first = c->first, .last = c->last, .reserved = parse(c->reserved) };
		struct ranges ports = parse(c->ports);
		struct ephemeral new = {};
		struct fault fault;
		int err = ephemeral_plan(&old, &ports, &new, &fault);

		print_message("# %s\n", c->name);
		if (!c->new_first) {
			assert_int_equal(err, -ERANGE);
			assert_non_null(strstr(fault.text, "1024"));
			assert_int_equal(new.last, 0);
			continue;
		}
		assert_int_equal(err, 0);
		assert_int_equal(new.first, c->new_first);
		assert_int_equal(new.last, c->new_last);
		check_ranges(&new.reserved, c->new_reserved);
	}
}

/* Whatever is asked for: no port is in both, none is taken from programs beyond ours and one for the parity, and nothing
 * that was reserved is given back.
 */
static void test_plan_at_random(void **state)
{
	unsigned int seed = time(NULL), refused = 0;

	(void)state;
	print_message("# seed %u\n", seed);
	for (int i = 0; i < 300; i++) {
		unsigned int first = 1024 + rand_r(&seed) % 20000;
		struct ephemeral old = { .first = first, .last = first + 1500 + rand_r(&seed) % 30000 }, new;
		struct ranges ports = {}, before, after, both;
		struct fault fault;

		for (int j = rand_r(&seed) % 4; j >= 0; j--) {
			unsigned int from = 1024 + rand_r(&seed) % 60000, len = rand_r(&seed) % 4000;

			ranges_add(&ports, from, from + len > 65535 ? 65535 : from + len);
			from = 1024 + rand_r(&seed) % 60000;
			ranges_add(&old.reserved, from, from + rand_r(&seed) % 300);
		}
		if (ephemeral_plan(&old, &ports, &new, &fault)) {
			refused++;
			continue;
		}
		ephemeral_pool(&old, &before);
		ephemeral_pool(&new, &after);
		both = after;
		ranges_intersect(&both, &ports);
		assert_int_equal(ranges_count(&both), 0);
		both = after;
		ranges_subtract(&both, &before);
		assert_int_equal(ranges_count(&both), 0);
		ranges_subtract(&before, &ports);
		assert_in_range(ranges_count(&before) - ranges_count(&after), 0, 1);
		both = old.reserved;
		ranges_subtract(&both, &new.reserved);
		assert_int_equal(ranges_count(&both), 0);
	}
	assert_in_range(refused, 0, 150);
}

/* ---- who holds what -------------------------------------------------------------------------------------------- */

#define OWN 0x010200c0 /* 192.0.2.1 in network order, on a little-endian machine; only equality counts */

static struct host_socket socket_on(__u8 proto, __u8 state, __be32 addr, __u16 port, __u64 inode)
{
	return (struct host_socket){
		.local = { .addr = addr, .port = htons(port) }, .inode = inode, .proto = proto, .state = state
	};
}

static void test_holder_counts(void **state)
{
	const __be32 own[] = { OWN };
	struct host_socket connected = socket_on(IPPROTO_TCP, 1, OWN, 1, 1);
	static const struct {
		__u8 proto, state;
		__be32 addr;
		bool counts;
	} cases[] = {
		{ IPPROTO_TCP, 10, 0, true },    { IPPROTO_TCP, 10, OWN, true }, { IPPROTO_TCP, 10, 7, false },
		{ IPPROTO_TCP, 13, 0, true },    { IPPROTO_TCP, 6, 0, false },   { IPPROTO_TCP, 1, OWN, false },
		{ IPPROTO_TCP, 12, OWN, false }, { IPPROTO_UDP, 7, 0, true },    { IPPROTO_UDP, 7, OWN, true },
		{ IPPROTO_UDP, 7, 7, false },    { IPPROTO_TCP, 7, 0, true },    { IPPROTO_TCP, 7, 7, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct host_socket socket = socket_on(cases[i].proto, cases[i].state, cases[i].addr, 5, 1);

		assert_int_equal(holder_counts(&socket, own, 1), cases[i].counts);
	}
	connected.state = 10;
	connected.remote = (struct endpoint){ .addr = 9, .port = 9 };
	assert_false(holder_counts(&connected, own, 1));
}

/* Two processes of one name share 5000 by two sockets; one of them has 5001 and 5002 too, and 5003 in another state; the
 * kernel has UDP 5004; 6000 is out of the ranges.
 */
static void test_holders(void **state)
{
	struct process one[] = { { .pid = 10, .comm = "web" } }, other[] = { { .pid = 20, .comm = "web" } };
	struct owner owner[] = { { 1, 1, other }, { 2, 1, one }, { 3, 1, one } };
	struct owners owners = { 3, owner };
	struct host_socket list[] = {
		socket_on(IPPROTO_TCP, 10, 0, 5000, 1),   socket_on(IPPROTO_TCP, 10, 0, 5002, 3),
		socket_on(IPPROTO_TCP, 10, OWN, 5000, 2), socket_on(IPPROTO_TCP, 10, 0, 5001, 2),
		socket_on(IPPROTO_TCP, 7, 0, 5003, 2),    socket_on(IPPROTO_UDP, 7, 0, 5004, 99),
		socket_on(IPPROTO_TCP, 10, 0, 6000, 2),
	};
	struct sockets sockets = { sizeof(list) / sizeof(list[0]), list };
	struct ranges ports = parse("5000-5999");
	const __be32 own[] = { OWN };
	struct holders holders;
	struct fault fault;

	(void)state;
	assert_int_equal(holders_collect(&sockets, &owners, &ports, own, 1, &holders, &fault), 0);
	assert_int_equal(holders.num, 4);
	check_ranges(&holders.holder[0].ports, "5000");
	assert_int_equal(holders.holder[0].num, 2);
	assert_int_equal(holders.holder[0].process[0].pid, 10);
	assert_int_equal(holders.holder[0].process[1].pid, 20);
	check_ranges(&holders.holder[1].ports, "5001-5002");
	assert_int_equal(holders.holder[1].num, 1);
	check_ranges(&holders.holder[2].ports, "5003");
	assert_int_equal(holders.holder[2].state, 13);
	check_ranges(&holders.holder[3].ports, "5004");
	assert_int_equal(holders.holder[3].proto, IPPROTO_UDP);
	assert_int_equal(holders.holder[3].num, 0);
	holders_free(&holders);
}

/* ---- findings -------------------------------------------------------------------------------------------------- */

/* A machine on which nothing is in the way. */
static struct check_facts good_facts(void)
{
	return (struct check_facts){
		.iface = "eth0",
		.exists = true,
		.up = true,
		.has_address = true,
		.ports = parse("20000-20009"),
		.default_ports = parse("1024-32767,61000-65535"),
		.ephemeral = { .first = 32768, .last = 60999 },
	};
}

static const char *text_of(json_t *findings, size_t index, const char *key)
{
	const char *text = json_string_value(json_object_get(json_array_get(findings, index), key));

	return text ? text : "(none)";
}

/* Exactly these, "severity name" each, separated by commas; every one says what, why and how to mend it. */
static json_t *expect(const struct check_facts *facts, const char *expected)
{
	json_t *findings = check_findings(facts);
	char text[512] = "";

	for (size_t i = 0; i < json_array_size(findings); i++) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s %s", i ? ", " : "", text_of(findings, i, "severity"),
			 text_of(findings, i, "finding"));
		assert_true(strlen(text_of(findings, i, "what")) > 10);
		assert_true(strlen(text_of(findings, i, "why")) > 10);
		assert_string_not_equal(text_of(findings, i, "mend"), "(none)");
	}
	assert_string_equal(text, expected);
	return findings;
}

static void test_nothing(void **state)
{
	struct check_facts facts = good_facts();

	(void)state;
	json_decref(expect(&facts, ""));
}

static void test_interface(void **state)
{
	struct check_facts facts = good_facts();

	(void)state;
	facts.has_address = false;
	json_decref(expect(&facts, "problem no-address"));
	facts.up = false;
	json_decref(expect(&facts, "problem interface-down, problem no-address"));
	facts.exists = false;
	json_decref(expect(&facts, "problem no-interface"));
}

/* The command names the setting of this very interface, in the way sysctl(8) takes names with dots. */
static void test_settings(void **state)
{
	struct check_facts facts = good_facts();
	json_t *findings;

	(void)state;
	facts.forwarding = FORWARDING_OFF;
	findings = expect(&facts, "problem forwarding-off");
	assert_string_equal(text_of(findings, 0, "mend"), "sysctl -w net.ipv4.ip_forward=1");
	json_decref(findings);

	facts.forwarding = FORWARDING_OFF_HERE;
	findings = expect(&facts, "problem forwarding-off");
	assert_string_equal(text_of(findings, 0, "mend"), "sysctl -w net.ipv4.conf.eth0.forwarding=1");
	json_decref(findings);

	facts.iface = "eth0.7";
	findings = expect(&facts, "problem forwarding-off");
	assert_string_equal(text_of(findings, 0, "mend"), "sysctl -w net/ipv4/conf/eth0.7/forwarding=1");
	json_decref(findings);

	facts.iface = "eth0";
	facts.forwarding = FORWARDING_OFF_INSIDE;
	strcpy(facts.forwarding_inside, "eth1");
	findings = expect(&facts, "problem forwarding-off");
	assert_string_equal(text_of(findings, 0, "mend"), "sysctl -w net.ipv4.conf.eth1.forwarding=1");
	json_decref(findings);

	facts.forwarding = FORWARDING_ON;
	facts.rp_filter = RP_FILTER_STRICT;
	strcpy(facts.rp_filter_inside, "eth1");
	findings = expect(&facts, "problem rp-filter");
	assert_string_equal(text_of(findings, 0, "mend"), "sysctl -w net.ipv4.conf.eth0.rp_filter=2");
	json_decref(findings);

	facts.rp_filter = RP_FILTER_LOOSE;
	findings = expect(&facts, "problem rp-filter");
	assert_non_null(strstr(text_of(findings, 0, "mend"), "conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0"));
	json_decref(findings);
}

static const struct {
	const char *ports;
	const char *reserved;
	const char *overlap; /* NULL: none */
} overlap_cases[] = {
	{ "20000-20009", "", NULL },
	{ "32767", "", NULL },
	{ "61000", "", NULL },
	{ "32768", "", "32768" },
	{ "60999", "", "60999" },
	{ "30000-40000,60990-62000", "", "32768-40000,60990-60999" },
	{ "50000-50009", "50000-50009", NULL },
	{ "50000-50009", "50004", "50000-50003,50005-50009" },
	{ "20000-20009", "20000-20009", NULL },
	{ "1-65535", "32768-60999", NULL },
};

static void test_overlap(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(overlap_cases) / sizeof(overlap_cases[0]); i++) {
		struct check_facts facts = good_facts();
		json_t *findings;

		facts.ports = parse(overlap_cases[i].ports);
		facts.ephemeral.reserved = parse(overlap_cases[i].reserved);
		findings = expect(&facts, overlap_cases[i].overlap ? "note ephemeral-overlap" : "");
		if (overlap_cases[i].overlap)
			assert_string_equal(text_of(findings, 0, "ports"), overlap_cases[i].overlap);
		json_decref(findings);
	}
}

static void test_no_ports(void **state)
{
	struct check_facts facts = good_facts();

	(void)state;
	memset(&facts.ports, 0, sizeof(facts.ports));
	memset(&facts.default_ports, 0, sizeof(facts.ports));
	json_decref(expect(&facts, "problem no-ports"));
}

static void test_other_nat(void **state)
{
	struct other_nat nat[] = {
		{ .by = "nftables", .family = "ip", .table = "nat", .chain = "post", .rule = 4 },
		{ .by = "iptables",
		  .family = "ip",
		  .table = "nat",
		  .chain = "POSTROUTING",
		  .rule = 2,
		  .limited = true },
	};
	struct check_facts facts = good_facts();
	json_t *findings;

	(void)state;
	facts.nat = nat;
	facts.num_nats = 2;
	findings = expect(&facts, "problem other-nat, note other-nat");
	assert_string_equal(text_of(findings, 0, "mend"), "nft delete rule ip nat post handle 4");
	assert_string_equal(text_of(findings, 1, "mend"), "iptables-legacy -t nat -D POSTROUTING 2");
	json_decref(findings);
}

/* The kernel's socket of a device that is up is told once, as the device's. */
static void test_tunnel(void **state)
{
	struct tunnel tunnel[] = {
		{ .device = "vx0", .kind = "vxlan", .port = 20004, .up = true },
		{ .device = "wg0", .kind = "wireguard", .port = 20005 },
		{ .device = "wg1", .kind = "wireguard", .port = 30000 },
		{ .device = "wg2", .kind = "wireguard", .port = 0 },
	};
	struct holder holder = { .proto = IPPROTO_UDP, .state = 7, .ports = parse("20004,20006") };
	struct check_facts facts = good_facts();
	json_t *findings;

	(void)state;
	facts.tunnel = tunnel;
	facts.num_tunnels = 4;
	facts.holders = (struct holders){ 1, &holder };
	findings = expect(&facts, "note tunnel, note tunnel, note socket");
	assert_string_equal(text_of(findings, 0, "device"), "vx0");
	assert_string_equal(text_of(findings, 0, "mend"), "bauta run -e eth0 -p 20000-20003,20005-20009");
	assert_string_equal(text_of(findings, 1, "device"), "wg0");
	assert_string_equal(text_of(findings, 2, "ports"), "20006");
	assert_non_null(strstr(text_of(findings, 2, "what"), "the kernel"));
	json_decref(findings);
}

static void test_sockets(void **state)
{
	struct process process[] = { { 10, "web" }, { 11, "web" }, { 12, "proxy" }, { 13, "web" }, { 14, "web" } };
	struct holder holder = {
		.proto = IPPROTO_TCP, .state = 10, .ports = parse("20000"), .num = 5, .process = process
	};
	struct check_facts facts = good_facts();
	json_t *findings;

	(void)state;
	facts.holders = (struct holders){ 1, &holder };
	findings = expect(&facts, "note socket");
	assert_string_equal(
		text_of(findings, 0, "what"),
		"tcp port 20000: listened on by web (pids 10, 11), proxy (pid 12), web (pid 13) and 1 more");
	assert_int_equal(json_array_size(json_object_get(json_array_get(findings, 0), "processes")), 5);
	assert_string_equal(text_of(findings, 0, "mend"), "bauta run -e eth0 -p 20001-20009");
	json_decref(findings);

	/* the default range follows what is reserved */
	facts.ports = facts.default_ports;
	facts.ephemeral.reserved = parse("8080");
	findings = expect(&facts, "note socket");
	assert_string_equal(text_of(findings, 0, "mend"), "sysctl -w net.ipv4.ip_local_reserved_ports=8080,20000");
	json_decref(findings);

	/* nothing is left for TCP */
	facts.ports = parse("20000");
	findings = expect(&facts, "problem no-port-left, note socket");
	assert_string_equal(text_of(findings, 0, "proto"), "tcp");
	assert_string_equal(text_of(findings, 1, "mend"), "bauta run -e eth0 -p 1024-32767,61000-65535");
	json_decref(findings);
}

static void test_unseen(void **state)
{
	struct check_facts facts = good_facts();

	(void)state;
	facts.unseen[facts.num_unseen++] = (struct fault){ "cannot see this or that" };
	json_decref(expect(&facts, "note not-checked"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),          cmocka_unit_test(test_plan_at_random),
		cmocka_unit_test(test_holder_counts), cmocka_unit_test(test_holders),
		cmocka_unit_test(test_nothing),       cmocka_unit_test(test_interface),
		cmocka_unit_test(test_settings),      cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_no_ports),      cmocka_unit_test(test_other_nat),
		cmocka_unit_test(test_tunnel),        cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_unseen),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
