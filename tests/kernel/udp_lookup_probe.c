/* SPDX-License-Identifier: GPL-2.0-or-later */
/* While a packet is forwarded, bpf_sk_lookup_udp at tc egress finds the host's socket that would get a datagram. */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/udp_lookup.skel.h"
#include "net.h"
#include "tap.h"

enum { PORT = 50000, REMOTE_PORT = 60000, LIMIT_MS = 2000 };

static struct net net;
static struct udp_lookup *bpf;

/* Looks up while a datagram of the client is forwarded. */
static void expect(bool found, uint16_t remote_port, uint16_t port, const char *what)
{
	struct sockaddr_in to = net_address(REMOTE_ADDR, 9);
	volatile unsigned int *num_looked_up = &bpf->bss->num_looked_up;
	unsigned int before = *num_looked_up;
	double start = net_milliseconds();
	int fd;

	bpf->bss->tuple.ipv4.saddr = to.sin_addr.s_addr;
	bpf->bss->tuple.ipv4.sport = htons(remote_port);
	bpf->bss->tuple.ipv4.daddr = net_address(EXTERNAL_ADDR, 0).sin_addr.s_addr;
	bpf->bss->tuple.ipv4.dport = htons(port);
	net_enter(net.client);
	fd = net_socket(SOCK_DGRAM, NULL, 0);
	if (sendto(fd, "?", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1)
		tap_die("cannot send a datagram");
	close(fd);
	net_enter(net.gateway);
	while (*num_looked_up == before && net_milliseconds() - start < LIMIT_MS)
		poll(NULL, 0, 1);
	tap_ok(*num_looked_up != before && bpf->bss->is_found == found, "%s", what);
}

static void try_bound(void)
{
	int fd = net_socket(SOCK_DGRAM, EXTERNAL_ADDR, PORT);

	expect(true, 1, PORT, "a socket bound to the very address is found");
	expect(false, 1, PORT + 1, "nobody is found on another port");
	close(fd);
	expect(false, 1, PORT, "nor after it is closed");

	fd = net_socket(SOCK_DGRAM, "0.0.0.0", PORT);
	expect(true, 1, PORT, "a socket bound to all addresses is found");
	close(fd);
	fd = net_socket(SOCK_DGRAM, INTERNAL_ADDR, PORT);
	expect(false, 1, PORT, "a socket bound to another address is not");
	close(fd);
}

static void try_v6(void)
{
	struct sockaddr_in6 own = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };

	for (int only = 0; only <= 1; only++) {
		int fd = socket(AF_INET6, SOCK_DGRAM, 0);

		if (fd < 0) {
			tap_skip("a socket bound to [::]", "this machine has no IPv6");
			return;
		}
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
		if (bind(fd, (struct sockaddr *)&own, sizeof(own)))
			tap_die("cannot bind to [::]:%d", PORT);
		expect(!only, 1, PORT,
		       only ? "a socket bound to [::] for IPv6 only is not"
			    : "a socket bound to [::] for IPv4 too is found");
		close(fd);
	}
}

static void try_connected(void)
{
	struct sockaddr_in to = net_address(REMOTE_ADDR, REMOTE_PORT);
	int fd = net_socket(SOCK_DGRAM, NULL, 0);

	if (net_connect(fd, REMOTE_ADDR, REMOTE_PORT))
		tap_die("cannot connect a datagram socket");
	expect(true, REMOTE_PORT, net_port(fd), "a connected socket is found for its remote");
	expect(false, REMOTE_PORT + 1, net_port(fd), "and not for another");
	close(fd);

	fd = net_socket(SOCK_DGRAM, NULL, 0);
	sendto(fd, "?", 1, 0, (struct sockaddr *)&to, sizeof(to));
	expect(true, 1, net_port(fd), "a socket that only ever sent is found for every remote");
	close(fd);
}

int main(void)
{
	net = net_create();
	bpf = udp_lookup__open_and_load();
	if (!bpf)
		tap_die("cannot load the program");
	hook_attach("ext", BPF_TC_EGRESS, bpf->progs.leave);
	expect(false, 1, PORT, "nobody is found where nobody is");
	try_bound();
	try_v6();
	try_connected();
	udp_lookup__destroy(bpf);
	return tap_finish();
}
