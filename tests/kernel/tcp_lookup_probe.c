/* SPDX-License-Identifier: GPL-2.0-or-later */
/* While a packet is forwarded, bpf_skc_lookup_tcp at tc egress finds whoever of the host holds a tuple, in every
 * state.
 *
 * It does not find a socket that is only bound: nothing can arrive for it yet. When it connects, its SYN is seen at
 * tc egress.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/tcp_lookup.skel.h"
#include "net.h"
#include "tap.h"

enum {
	PORT = 50000,        /* of the host */
	REMOTE_PORT = 60000, /* where the remote listens */
	NOBODY = -1,
	NEW_SYN_RECV = 12, /* BPF_TCP_NEW_SYN_RECV is younger than some headers */
	LIMIT_MS = 2000,
};

static struct net net;
static struct tcp_lookup *bpf;

/* The state of the host's socket for this tuple, looked up while a datagram of the client is forwarded. */
static int look_up(uint16_t remote_port, uint16_t port)
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
	return bpf->bss->state;
}

static void expect(int state, uint16_t remote_port, uint16_t port, const char *what)
{
	double start = net_milliseconds();
	int found;

	do
		found = look_up(remote_port, port);
	while (found != state && net_milliseconds() - start < LIMIT_MS);
	tap_equal(found, state, "%s", what);
}

static void try_listeners(void)
{
	int fd = net_socket(SOCK_STREAM, EXTERNAL_ADDR, PORT);

	expect(NOBODY, 1, PORT, "a socket that is only bound is not found");
	listen(fd, 1);
	expect(BPF_TCP_LISTEN, 1, PORT, "a listener on the very address is found");
	expect(NOBODY, 1, PORT + 1, "nobody is found on another port");
	close(fd);
	expect(NOBODY, 1, PORT, "nor after it is closed");

	fd = net_socket(SOCK_STREAM, "0.0.0.0", PORT);
	listen(fd, 1);
	expect(BPF_TCP_LISTEN, 1, PORT, "a listener on all addresses is found");
	close(fd);

	fd = net_socket(SOCK_STREAM, INTERNAL_ADDR, PORT);
	listen(fd, 1);
	expect(NOBODY, 1, PORT, "a listener on another address is not");
	close(fd);
}

static int listen_v6(int only)
{
	struct sockaddr_in6 own = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) || listen(fd, 1))
		tap_die("cannot listen on [::]:%d", PORT);
	return fd;
}

static void try_v6_listeners(void)
{
	int fd = listen_v6(0);

	if (fd < 0) {
		tap_skip("a listener on [::]", "this machine has no IPv6");
		return;
	}
	expect(BPF_TCP_LISTEN, 1, PORT, "a listener on [::] that takes IPv4 too is found");
	close(fd);
	fd = listen_v6(1);
	expect(NOBODY, 1, PORT, "a listener on [::] for IPv6 only is not");
	close(fd);
}

/* The host connects and closes first. */
static void try_connection(void)
{
	int listener, accepted, fd;
	char byte;

	net_enter(net.remote);
	listener = net_socket(SOCK_STREAM, REMOTE_ADDR, REMOTE_PORT);
	listen(listener, 1);
	net_enter(net.gateway);
	fd = net_socket(SOCK_STREAM, EXTERNAL_ADDR, PORT);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	bpf->bss->dropping = 1;
	net_connect(fd, REMOTE_ADDR, REMOTE_PORT);
	expect(BPF_TCP_SYN_SENT, REMOTE_PORT, PORT, "a socket that connects is found");
	bpf->bss->dropping = 0;
	accepted = accept(listener, NULL, NULL); /* when the SYN is sent again */
	if (accepted < 0)
		tap_die("cannot accept");
	expect(BPF_TCP_ESTABLISHED, REMOTE_PORT, PORT, "a connected socket is found");
	expect(NOBODY, REMOTE_PORT + 1, PORT, "for its remote only");
	close(fd);
	recv(accepted, &byte, 1, 0);
	close(accepted);
	expect(BPF_TCP_TIME_WAIT, REMOTE_PORT, PORT, "in TIME_WAIT it is found");
	close(listener);
}

/* The remote connects, and never hears the answer. */
static void try_request(void)
{
	int listener = net_socket(SOCK_STREAM, "0.0.0.0", PORT + 1), fd;

	listen(listener, 1);
	bpf->bss->dropping = 1;
	net_enter(net.remote);
	fd = net_socket(SOCK_STREAM, REMOTE_ADDR, REMOTE_PORT + 2);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	net_connect(fd, EXTERNAL_ADDR, PORT + 1);
	net_enter(net.gateway);
	expect(NEW_SYN_RECV, REMOTE_PORT + 2, PORT + 1, "a half-open connection is found");
	bpf->bss->dropping = 0;
	close(fd);
	close(listener);
}

int main(void)
{
	net = net_create();
	bpf = tcp_lookup__open_and_load();
	if (!bpf)
		tap_die("cannot load the program");
	hook_attach("ext", BPF_TC_EGRESS, bpf->progs.leave);
	expect(NOBODY, 1, PORT, "nobody is found where nobody is");
	try_listeners();
	try_v6_listeners();
	try_connection();
	try_request();
	tcp_lookup__destroy(bpf);
	return tap_finish();
}
