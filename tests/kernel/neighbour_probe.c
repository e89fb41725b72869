/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A neighbour is asked at once by telling the kernel that it is probing (NUD_PROBE), and is used meanwhile; one that is told to
 * have failed, and to be in use, is asked for by broadcast until it answers. What others keep is told apart.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/neighbour.h"
#include "net.h"
#include "tap.h"

static struct mnl_socket *socket_fd;

static struct neighbour now(void)
{
	struct neighbour neighbour = { .ifindex = if_nametoindex("ext"), .addr = inet_addr(REMOTE_ADDR) };

	if (neighbour_read(socket_fd, &neighbour))
		tap_die("cannot read a neighbour");
	return neighbour;
}

/* Whether it comes to that state within a while. */
static bool becomes(__u16 state, double limit_ms)
{
	double end = net_milliseconds() + limit_ms;

	while (net_milliseconds() < end) {
		if (now().state & state)
			return true;
		usleep(1000);
	}
	return false;
}

static void set_arp(const struct net *net, const char *how)
{
	net_enter(net->remote);
	net_shell("ip link set eth0 arp %s", how);
	net_enter(net->gateway);
}

int main(void)
{
	struct net net = net_create();
	struct neighbour neighbour;

	if (netlink_open(NETLINK_ROUTE, &socket_fd))
		tap_die("cannot open rtnetlink");
	tap_equal(now().state, 0, "a neighbour that is not known has no state");
	net_shell("ping -c1 -W2 -q " REMOTE_ADDR " >/dev/null");
	neighbour = now();
	tap_ok(neighbour_is_valid(&neighbour) && !neighbour.kept, "one that answered is known");

	net_shell("ip neighbour change " REMOTE_ADDR " dev ext nud stale");
	tap_equal(neighbour_ask(socket_fd, &neighbour), 0, "it can be asked");
	tap_ok(becomes(NUD_REACHABLE, 500), "and answers within half a second");

	set_arp(&net, "off");
	neighbour_ask(socket_fd, &neighbour);
	tap_ok(!becomes(NUD_REACHABLE, 100), "while it is silent it does not count as reachable");
	neighbour = now();
	tap_ok(neighbour.state == NUD_PROBE && neighbour_is_valid(&neighbour), "but packets are sent to it");
	tap_equal(neighbour_ask(socket_fd, &neighbour), 0, "it can be asked again");
	tap_equal(now().state, NUD_PROBE, "which is the same state");

	tap_equal(neighbour_give_up(socket_fd, &neighbour), 0, "it can be given up");
	neighbour = now();
	tap_ok(!neighbour_is_valid(&neighbour), "then no packet is sent to it");
	set_arp(&net, "on");
	tap_ok(becomes(NUD_REACHABLE, 2500), "the kernel goes on asking for it, and finds it");

	net_shell("ip neighbour del " REMOTE_ADDR " dev ext");
	tap_equal(neighbour_ask(socket_fd, &neighbour), -ENOENT, "one that has gone is not made by asking");

	net_shell("ip neighbour replace " REMOTE_ADDR " lladdr 02:00:00:00:00:07 dev ext nud permanent");
	tap_ok(now().kept && now().mac[5] == 7, "a permanent one is not ours");
	net_shell("ip neighbour del " REMOTE_ADDR " dev ext");
	net_shell("ip neighbour replace " REMOTE_ADDR " dev ext managed");
	tap_ok(now().kept, "nor is one that the kernel keeps alive for somebody else");
	net_shell("ip neighbour del " REMOTE_ADDR " dev ext");
	net_shell("ip neighbour replace " REMOTE_ADDR " lladdr 02:00:00:00:00:07 dev ext extern_learn");
	tap_ok(now().kept, "nor one that a program has learnt");
	netlink_close(socket_fd);
	return tap_finish();
}
