/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What keeps the fast path away by itself: what this kernel says of its rules, policies and queues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/fast_bypass.h"
#include "daemon/fast_firewall.h"
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

/* A ruleset of its own each, and the words that keep auto away; NULL: it does not. */
static void firewall(void **state)
{
	static const struct {
		const char *ruleset, *words;
	} cases[] = {
		{ "table ip t { chain c { type filter hook forward priority 0; }; }", NULL },
		{ "table ip t { chain c { type filter hook input priority 0; policy drop; }; chain d { accept; }; }",
		  NULL },
		{ "table ip6 t { chain c { type filter hook forward priority 0; policy drop; }; }", NULL },
		{ "table ip t { chain c { type filter hook forward priority 0; policy drop; }; }",
		  "nftables: table t, chain c, at hook forward" },
		{ "table inet t { chain c { type filter hook forward priority 0; ct state established accept; }; }",
		  "at hook forward" },
		{ "table ip t { chain c { type nat hook prerouting priority 0; udp dport 53 dnat to 10.0.0.1; }; }",
		  "at hook prerouting" },
		{ "table ip t { chain c { type filter hook postrouting priority 0; counter; }; }",
		  "at hook postrouting" },
		{ "table ip t { chain c { type route hook output priority 0; counter; }; }", NULL },
		{ "table netdev t { chain c { type filter hook ingress device wire priority 0; counter; }; }",
		  "at hook ingress" },
		{ "table netdev t { chain c { type filter hook ingress device far priority 0; counter; }; }", NULL },
		{ "table netdev t { chain c { type filter hook ingress devices = { far, wire } priority 0; counter; }; "
		  "}",
		  "at hook ingress" },
	};

	(void)state;
	if (system("nft list ruleset >/dev/null 2>&1")) {
		print_message("# SKIP: this kernel has no nftables\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char command[300];

		snprintf(command, sizeof(command), "nft 'flush ruleset; %s'", cases[i].ruleset);
		assert_int_equal(system(command), 0);
		check(cases[i].words);
	}
	assert_int_equal(system("nft flush ruleset"), 0);
	check(NULL);
}

/* Whether this process may open raw sockets, by which the old iptables is asked. */
static void allow_raw(bool allow)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &header, caps), 0);
	if (allow)
		caps[0].effective |= 1u << CAP_NET_RAW;
	else
		caps[0].effective &= ~(1u << CAP_NET_RAW);
	assert_int_equal(syscall(SYS_capset, &header, caps), 0);
}

static void old_firewall(void **state)
{
	(void)state;
	/* tables with empty chains are loaded by whoever looks */
	if (system("iptables-legacy -nL >/dev/null 2>&1")) {
		print_message("# SKIP: this kernel has no old iptables\n");
		skip();
	}
	check(NULL);
	assert_int_equal(system("iptables-legacy -A INPUT -j DROP"), 0);
	check(NULL);
	assert_int_equal(system("iptables-legacy -P FORWARD DROP"), 0);
	check("iptables: table filter, chain FORWARD");
	assert_int_equal(system("iptables-legacy -P FORWARD ACCEPT"), 0);
	check(NULL);
	assert_int_equal(system("iptables-legacy -t mangle -A POSTROUTING -j DSCP --set-dscp 1 2>/dev/null || "
				"iptables-legacy -t mangle -A POSTROUTING"),
			 0);
	check("iptables: table mangle, chain POSTROUTING");
	assert_int_equal(system("iptables-legacy -t mangle -F"), 0);
	check(NULL);
	allow_raw(false);
	check("netfilter rules of this machine cannot be read: Operation not permitted");
	allow_raw(true);
	check(NULL);
}

/* What cannot be asked for may be there. */
static void no_socket_is_left(void **state)
{
	struct rlimit usual, none;
	char what[FIREWALL_TEXT], why[FAST_WHY] = "";
	bool found;
	int err;

	(void)state;
	check(NULL);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	none = usual;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	found = fast_bypass_find(ask, &ifaces, why);
	err = fast_firewall_find(&ifaces, what);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);

	assert_true(found);
	/* IPsec policies, or what comes next where the kernel has none */
	assert_non_null(strstr(why, "cannot be read: Too many open files"));
	assert_int_equal(err, -EMFILE);
	assert_string_equal(what, "");
	check(NULL);
}

static void the_socket_is_broken(void **state)
{
	int other = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct mnl_socket *usual = ask;

	(void)state;
	assert_true(other >= 0);
	assert_int_equal(netlink_open(NETLINK_ROUTE, &ask), 0);
	assert_true(dup2(other, mnl_socket_get_fd(ask)) >= 0);
	check("rules of routing cannot be read: Socket operation on non-socket");
	netlink_close(ask);
	ask = usual;
	close(other);
	check(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_there),  cmocka_unit_test(routes_by_mark),
		cmocka_unit_test(policies),          cmocka_unit_test(queues),
		cmocka_unit_test(firewall),          cmocka_unit_test(old_firewall),
		cmocka_unit_test(no_socket_is_left), cmocka_unit_test(the_socket_is_broken),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
