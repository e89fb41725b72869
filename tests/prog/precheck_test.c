/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this kernel is asked before a gateway starts, and how it answers: tunnels, rules of nftables, the reverse-path filter.
 * The lab shows what it means; this runs under every kernel that is supported.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/precheck.h"
#include "platform.h"
#include "sockets.h"
#include "wires.h"

static int add_interfaces(void **state)
{
	(void)state;
	wires_enter();
	wires_ip("link add ext type veth peer name far");
	wires_ip("link add int type veth peer name near");
	wires_ip("link add other type veth peer name away");
	wires_ip("link set lo up");
	for (size_t i = 0; i < 6; i++)
		wires_ip("link set %s up", (const char *[]){ "ext", "far", "int", "near", "other", "away" }[i]);
	wires_ip("addr add 192.0.2.1/24 dev ext");
	wires_ip("addr add 192.168.0.1/24 dev int");
	wires_ip("addr add 203.0.113.200/30 dev other");
	assert_int_equal(system("echo 1 >/proc/sys/net/ipv4/ip_forward"), 0);
	return 0;
}

static json_t *find(__u16 first, __u16 last)
{
	static struct precheck precheck;
	struct fault fault;
	json_t *findings;

	precheck = (struct precheck){ .iface = "ext" };
	ranges_add(&precheck.ports, first, last);
	if (precheck_findings(&precheck, &findings, &fault))
		fail_msg("%s", fault.text);
	return findings;
}

static const char *text_of(json_t *findings, size_t index, const char *key)
{
	const char *text = json_string_value(json_object_get(json_array_get(findings, index), key));

	return text ? text : "(none)";
}

/* The names of the findings, which are released, with commas between. */
static const char *names_of(json_t *findings)
{
	static char text[512];

	text[0] = '\0';
	for (size_t i = 0; i < json_array_size(findings); i++) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s", i ? "," : "", text_of(findings, i, "finding"));
	}
	json_decref(findings);
	return text;
}

static void nothing_is_in_the_way(void **state)
{
	(void)state;
	assert_string_equal(names_of(find(20000, 20009)), "");
}

/* The port of the only UDP socket that there is. */
static __u16 find_udp_port(void)
{
	struct sockets sockets;
	struct fault fault;
	__u16 port = 0;

	assert_int_equal(sockets_read(&sockets, &fault), 0);
	for (size_t i = 0; i < sockets.num; i++)
		if (sockets.socket[i].proto == IPPROTO_UDP)
			port = be16_to_cpu(sockets.socket[i].local.port);
	sockets_free(&sockets);
	return port;
}

/* Whether this kernel has such devices; it has one then. */
static bool has_kind(const char *words)
{
	char command[256];

	snprintf(command, sizeof(command), "ip link add %s 2>/dev/null", words);
	return system(command) == 0;
}

static void wireguard_tells_its_port(void **state)
{
	json_t *findings;
	__u16 port;

	(void)state;
	if (!has_kind("wg0 type wireguard")) {
		print_message("# SKIP: this kernel has no WireGuard\n");
		skip();
	}
	wires_ip("link set wg0 up");
	port = find_udp_port();
	assert_int_not_equal(port, 0);
	assert_int_equal(system("echo 20000 21999 >/proc/sys/net/ipv4/ip_local_port_range"), 0);
	findings = find(port, port);
	assert_string_equal(text_of(findings, 1, "device"), "wg0");
	assert_string_equal(text_of(findings, 1, "kind"), "wireguard");
	/* of its port it has all: a problem, before the note */
	assert_string_equal(names_of(findings), "no-port-left,tunnel");
	wires_ip("link del wg0");
}

static void devices_tell_their_ports(void **state)
{
	static const struct {
		const char *kind, *words;
	} devices[] = {
		{ "vxlan", "tun type vxlan id 7 dstport 30005" },
		{ "geneve", "tun type geneve id 7 remote 192.0.2.8 dstport 30005" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		json_t *findings;

		if (!has_kind(devices[i].words)) {
			print_message("# this kernel has no %s\n", devices[i].kind);
			continue;
		}
		findings = find(30000, 30009);
		assert_string_equal(text_of(findings, 0, "kind"), devices[i].kind);
		assert_string_equal(text_of(findings, 0, "ports"), "30005");
		assert_string_equal(names_of(findings), "tunnel");
		wires_ip("link set tun up");
		assert_string_equal(names_of(find(30000, 30009)), "tunnel");
		wires_ip("link del tun");
	}
}

static void rules_of_nftables_are_understood(void **state)
{
	json_t *findings;

	(void)state;
	if (system("nft 'table inet nat { set s { type ifname; elements = { \"a\", \"ext\" }; };"
		   "chain u { counter masquerade; };"
		   "chain p { type nat hook postrouting priority 100;"
		   "oifname \"int\" masquerade; oifname @s meta nfproto ipv4 jump u; }; }' 2>/dev/null")) {
		print_message("# SKIP: nft is not installed, or this kernel has no nftables\n");
		skip();
	}
	findings = find(30000, 30009);
	assert_string_equal(text_of(findings, 0, "severity"), "problem");
	assert_string_equal(text_of(findings, 0, "chain"), "u");
	assert_string_equal(names_of(findings), "other-nat");
	assert_int_equal(system("nft flush ruleset"), 0);
	assert_string_equal(names_of(find(30000, 30009)), "");
}

/* What comes from inside with a mark leaves by ext, all else by another; the filter forgets the mark on the way back. */
static void reverse_path_filter_is_asked(void **state)
{
	(void)state;
	wires_ip("route add default via 203.0.113.201 dev other");
	wires_ip("route add default via 192.0.2.254 dev ext table 100");
	wires_ip("rule add fwmark 1 lookup 100");
	for (int mode = 0; mode <= 2; mode++) {
		char command[128];

		snprintf(command, sizeof(command),
			 "for i in all ext; do echo %d >/proc/sys/net/ipv4/conf/$i/rp_filter; done", mode);
		assert_int_equal(system(command), 0);
		assert_string_equal(names_of(find(30000, 30009)), mode == 1 ? "rp-filter" : "");
	}
	wires_ip("route del default");
	assert_string_equal(names_of(find(30000, 30009)), "rp-filter");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_in_the_way),        cmocka_unit_test(wireguard_tells_its_port),
		cmocka_unit_test(devices_tell_their_ports),     cmocka_unit_test(rules_of_nftables_are_understood),
		cmocka_unit_test(reverse_path_filter_is_asked),
	};

	return cmocka_run_group_tests_name("precheck", tests, add_interfaces, NULL);
}
