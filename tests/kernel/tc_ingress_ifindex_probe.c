/* SPDX-License-Identifier: GPL-2.0-or-later */
/* At tc egress, ingress_ifindex tells a forwarded packet (the interface it came in by) from one that the host itself
 * made (0).
 *
 * The host's own are also what its kernel says by itself: a RST, an ICMP error about a packet that it was to forward.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/tc_ingress_ifindex.skel.h"
#include "net.h"
#include "tap.h"

enum { PORT = 60000, CLOSED_PORT = 60001, LIMIT_MS = 2000 };

static struct net net;
static struct tc_ingress_ifindex *bpf;

static void watch(int protocol)
{
	bpf->bss->num_seen = 0;
	bpf->bss->ingress_ifindex = 0xffffffff;
	bpf->bss->protocol = protocol;
}

static void expect(unsigned int ingress_ifindex, const char *what)
{
	double start = net_milliseconds();
	volatile unsigned int *num_seen = &bpf->bss->num_seen;

	while (*num_seen == 0 && net_milliseconds() - start < LIMIT_MS)
		poll(NULL, 0, 1);
	if (tap_ok(*num_seen > 0, "%s is seen", what))
		tap_equal(bpf->bss->ingress_ifindex, ingress_ifindex, "%s: where it came in", what);
}

static void send_datagram(const char *address, int ttl)
{
	int fd = net_socket(SOCK_DGRAM, NULL, 0);
	struct sockaddr_in to = net_address(address, PORT);

	setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (sendto(fd, "?", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1)
		tap_die("cannot send a datagram");
	close(fd);
}

int main(void)
{
	unsigned int internal, external;
	int fd;

	net = net_create();
	internal = if_nametoindex("int");
	external = if_nametoindex("ext");
	bpf = tc_ingress_ifindex__open_and_load();
	if (!bpf)
		tap_die("cannot load the program");
	hook_attach("ext", BPF_TC_EGRESS, bpf->progs.leave);

	watch(IPPROTO_UDP);
	send_datagram(REMOTE_ADDR, 64);
	expect(0, "a datagram of the host");
	tap_equal(bpf->bss->ifindex, external, "ifindex is the interface that it leaves by");

	net_enter(net.client);
	watch(IPPROTO_UDP);
	send_datagram(REMOTE_ADDR, 64);
	expect(internal, "a forwarded datagram");

	net_enter(net.remote);
	watch(IPPROTO_TCP);
	fd = net_socket(SOCK_STREAM, NULL, 0);
	tap_ok(net_connect(fd, EXTERNAL_ADDR, CLOSED_PORT) == ECONNREFUSED, "a closed port refuses");
	close(fd);
	expect(0, "the RST of the host's kernel");

	watch(IPPROTO_ICMP);
	send_datagram(CLIENT_ADDR, 1);
	expect(0, "the host's ICMP error about a packet that it was to forward");
	tc_ingress_ifindex__destroy(bpf);
	return tap_finish();
}
