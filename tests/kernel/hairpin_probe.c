/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf_redirect_neigh at tc ingress sends a packet back inside, whose source is an address of this very machine: to another
 * host at the same interface, to one behind another interface, to one behind a router, to the sender itself, and to and from a
 * device without a link header. What was left for a device to sum up or to cut arrives right. bpf_fib_lookup knows the way for
 * such a source, and the MTU of the way.
 *
 * a 192.168.0.5 ─┬─ int 192.168.0.1  gateway  192.168.1.1 int2 ── c 192.168.1.5
 * b 192.168.0.6 ─┘                            tun0 ── 192.168.2.5
 *   └ router to 192.168.9.9 (an address of b)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/hairpin.skel.h"
#include "net.h"
#include "tap.h"

#define A "192.168.0.5"
#define B "192.168.0.6"
#define C "192.168.1.5"
#define T "192.168.2.5"
#define BEHIND_B "192.168.9.9"

enum {
	PORT = 60000,
	LIMIT_MS = 5000,
	BULK = 1 << 20,
	MTU = 1500,
	TO_TUN_PORT = 50000,
};

static int gateway, a, b, c;
static struct hairpin *bpf;
static char bulk[BULK];

static void make_host(int host, int switch_namespace, const char *port, const char *address, const char *route)
{
	net_enter(host);
	net_shell("ip link add eth0 type veth peer name %s netns /proc/self/fd/%d && ip address add %s/24 dev eth0 && "
		  "ip link set eth0 up && ip route add default via %s",
		  port, switch_namespace, address, route);
}

static void make_network(void)
{
	int wire = net_namespace();

	gateway = net_namespace();
	a = net_namespace();
	b = net_namespace();
	c = net_namespace();
	net_enter(gateway);
	net_shell(
		"ip link add int type veth peer name to-r netns /proc/self/fd/%d && ip address add 192.168.0.1/24 dev "
		"int && ip link set int up && ip link add int2 type veth peer name eth0 netns /proc/self/fd/%d && "
		"ip address add 192.168.1.1/24 dev int2 && ip link set int2 up && "
		"ip address add " EXTERNAL_ADDR "/32 dev lo && ip route add " BEHIND_B " via " B
		" && echo 1 >/proc/sys/net/ipv4/ip_forward",
		wire, c);
	make_host(a, wire, "to-a", A, "192.168.0.1");
	make_host(b, wire, "to-b", B, "192.168.0.1");
	net_shell("ip address add " BEHIND_B "/32 dev lo");
	net_enter(wire);
	net_shell("ip link add wire type bridge && ip link set wire up && for port in to-r to-a to-b; do "
		  "ip link set $port master wire up; done");
	net_enter(c);
	net_shell("ip address add " C "/24 dev eth0 && ip link set eth0 up && ip route add default via 192.168.1.1");
	net_enter(gateway);
}

static void load(const char *device, unsigned int l3)
{
	bpf = hairpin__open();
	if (!bpf)
		tap_die("cannot open the programs");
	bpf->rodata->l3 = l3;
	if (hairpin__load(bpf))
		tap_die("cannot load the programs");
	hook_attach(device, BPF_TC_INGRESS, bpf->progs.enter);
}

static void aim(const char *one, const char *other)
{
	bpf->bss->one = net_address(one, 0).sin_addr.s_addr;
	bpf->bss->other = net_address(other, 0).sin_addr.s_addr;
}

static int open_in(int namespace, int type, const char *address, uint16_t port)
{
	int fd;

	net_enter(namespace);
	fd = net_socket(type, address, port);
	net_enter(gateway);
	return fd;
}

static bool is_from_external(const struct sockaddr_in *from)
{
	return from->sin_addr.s_addr == net_address(EXTERNAL_ADDR, 0).sin_addr.s_addr;
}

/* A datagram from one host to the other by way of the external address, and the answer. */
static void try_datagram(const char *what, int one, const char *one_addr, int other, const char *other_addr)
{
	int from = open_in(one, SOCK_DGRAM, one_addr, PORT - 1), to = open_in(other, SOCK_DGRAM, other_addr, PORT);
	struct sockaddr_in external = net_address(EXTERNAL_ADDR, PORT), peer = { 0 };
	socklen_t len = sizeof(peer);
	char text[8];

	aim(one_addr, other_addr);
	sendto(from, "there", 5, 0, (struct sockaddr *)&external, sizeof(external));
	tap_ok(recvfrom(to, text, sizeof(text), 0, (struct sockaddr *)&peer, &len) == 5 && is_from_external(&peer),
	       "%s: a datagram arrives, from the external address", what);
	sendto(to, "back", 4, 0, (struct sockaddr *)&peer, len);
	tap_ok(recvfrom(from, text, sizeof(text), 0, (struct sockaddr *)&peer, &len) == 4 && is_from_external(&peer),
	       "%s: and its answer", what);
	close(from);
	close(to);
}

/* Moves all of `bulk` from one socket to the other. */
static bool transfer(int from, int to)
{
	size_t sent = 0, received = 0;
	static char copy[BULK];
	double start = net_milliseconds();

	fcntl(from, F_SETFL, O_NONBLOCK);
	fcntl(to, F_SETFL, O_NONBLOCK);
	while (received < BULK && net_milliseconds() - start < LIMIT_MS) {
		ssize_t more = sent < BULK ? send(from, bulk + sent, BULK - sent, MSG_NOSIGNAL) : 0;
		struct pollfd wait = { .fd = to, .events = POLLIN };

		sent += more > 0 ? more : 0;
		poll(&wait, 1, 10);
		more = recv(to, copy + received, BULK - received, 0);
		received += more > 0 ? more : 0;
	}
	return received == BULK && !memcmp(bulk, copy, BULK);
}

static void try_stream(const char *what, int one, const char *one_addr, int other, const char *other_addr)
{
	int listener = open_in(other, SOCK_STREAM, other_addr, PORT), from, to;
	struct sockaddr_in peer = { 0 };
	socklen_t len = sizeof(peer);

	listen(listener, 1);
	aim(one_addr, other_addr);
	bpf->bss->max_len = 0;
	bpf->bss->num_partial = 0;
	from = open_in(one, SOCK_STREAM, one_addr, 0);
	if (!tap_equal(net_connect(from, EXTERNAL_ADDR, PORT), 0, "%s: a connection comes to be", what))
		return;
	to = accept(listener, (struct sockaddr *)&peer, &len);
	tap_ok(is_from_external(&peer), "%s: from the external address", what);
	tap_ok(transfer(from, to), "%s: and what is sent arrives", what);
	tap_note("the largest packet had %u bytes, %u had a partial checksum", bpf->bss->max_len,
		 bpf->bss->num_partial);
	close(from);
	close(to);
	close(listener);
}

static void expect_right_checksums(const char *what, int host)
{
	net_enter(host);
	tap_equal(net_counter("Tcp", "InCsumErrors") + net_counter("Udp", "InCsumErrors"), 0,
		  "%s: with right checksums", what);
	net_enter(gateway);
}

static void try_unknown_neighbours(void)
{
	net_shell("ip neighbour flush dev int && ip neighbour flush dev int2");
}

static void try_all(unsigned int use_gateway, const char *how)
{
	char what[64];

	bpf->bss->use_gateway = use_gateway;
	try_unknown_neighbours();
	snprintf(what, sizeof(what), "%s, same interface", how);
	try_datagram(what, a, A, b, B);
	try_stream(what, a, A, b, B);
	expect_right_checksums(what, b);
	snprintf(what, sizeof(what), "%s, behind a router", how);
	try_datagram(what, a, A, b, BEHIND_B);
	snprintf(what, sizeof(what), "%s, to oneself", how);
	try_datagram(what, a, A, a, A);
}

/* Towards an interface that completes what is partial, and cuts. */
static void try_device_without_offload(void)
{
	net_tx_checksum("int", 0);
	try_stream("no offload", a, A, b, B);
	expect_right_checksums("no offload", b);
	net_tx_checksum("int", 1);
}

#define NOT_YET (-1000)

/* What the look-up comes to for a datagram; on a busy machine ksoftirqd takes it, a while after send(). */
static __s64 look_up(int fd)
{
	volatile __s64 *result = &bpf->bss->fib_result;

	*result = NOT_YET;
	send(fd, "?", 1, 0);
	for (int i = 0; i < 5000 && *result == NOT_YET; i++)
		usleep(1000);
	return *result;
}

static void try_mtu(void)
{
	int fd = open_in(a, SOCK_DGRAM, A, 0);

	bpf->bss->tot_len = MTU;
	aim(A, B);
	net_connect(fd, EXTERNAL_ADDR, PORT);
	tap_ok(look_up(fd) == BPF_FIB_LKUP_RET_SUCCESS, "a packet as large as the MTU has a way");
	net_shell("ip route add " B " dev int mtu lock 1400");
	tap_equal(look_up(fd), BPF_FIB_LKUP_RET_FRAG_NEEDED, "one that is larger than that of its route has none");
	tap_equal(bpf->bss->fib_mtu, 1400, "and is told the MTU");
	net_shell("ip route del " B);
	bpf->bss->tot_len = 0;
	net_shell("ip route add unreachable " B);
	tap_equal(look_up(fd), BPF_FIB_LKUP_RET_UNREACHABLE, "nor has one without a route");
	net_shell("ip route del unreachable " B);
	close(fd);
}

static int make_tun(void)
{
	struct ifreq request = { .ifr_name = "tun0", .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		tap_die("cannot make a tun device");
	net_shell("ip address add 192.168.2.1/24 dev tun0 && ip link set tun0 up");
	return fd;
}

/* A datagram without payload and without checksum. */
static void write_datagram(int fd, const char *from, uint16_t port)
{
	struct {
		struct ip ip;
		struct udphdr udp;
	} packet = {
		.ip = { .ip_v = 4, .ip_hl = 5, .ip_len = htons(sizeof(packet)), .ip_ttl = 64, .ip_p = IPPROTO_UDP },
		.udp = { .source = htons(port), .dest = htons(PORT), .len = htons(sizeof(struct udphdr)) },
	};
	const uint16_t *word = (const uint16_t *)&packet;
	uint32_t sum = 0;

	packet.ip.ip_src = net_address(from, 0).sin_addr;
	packet.ip.ip_dst = net_address(EXTERNAL_ADDR, 0).sin_addr;
	for (int i = 0; i < 10; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	packet.ip.ip_sum = ~((sum & 0xffff) + (sum >> 16));
	if (write(fd, &packet, sizeof(packet)) != sizeof(packet))
		tap_die("cannot write to a tun device");
}

/* The destination of the next UDP packet that leaves by the device; 0: none came. */
static __be32 read_datagram(int fd)
{
	double start = net_milliseconds();
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	while (net_milliseconds() - start < LIMIT_MS && poll(&wait, 1, LIMIT_MS) == 1) {
		uint8_t packet[2048];
		const struct ip *ip = (const void *)packet;

		if (read(fd, packet, sizeof(packet)) >= (ssize_t)sizeof(*ip) && ip->ip_v == 4 &&
		    ip->ip_p == IPPROTO_UDP && is_from_external(&(struct sockaddr_in){ .sin_addr = ip->ip_src }))
			return ip->ip_dst.s_addr;
	}
	return 0;
}

/* `ethernet`: the programs of the interfaces with a link header. */
static void try_tun(struct hairpin *ethernet)
{
	int tun = make_tun(), fd = open_in(b, SOCK_DGRAM, B, PORT);
	struct sockaddr_in external = net_address(EXTERNAL_ADDR, PORT), peer = { 0 };
	socklen_t len = sizeof(peer);
	char text[8];

	load("tun0", 0);
	for (unsigned int use_gateway = 0; use_gateway < 2; use_gateway++) {
		bpf->bss->use_gateway = use_gateway;
		aim(T, B);
		write_datagram(tun, T, PORT);
		tap_ok(recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&peer, &len) == 0 &&
			       is_from_external(&peer),
		       "from a device without a link header to one with one");
		aim(T, T);
		write_datagram(tun, T, PORT);
		tap_ok(read_datagram(tun) == net_address(T, 0).sin_addr.s_addr, "and to its own sender");
	}
	ethernet->bss->one = net_address(B, 0).sin_addr.s_addr;
	ethernet->bss->other = net_address(T, 0).sin_addr.s_addr;
	sendto(fd, "x", 1, 0, (struct sockaddr *)&external, sizeof(external));
	tap_ok(read_datagram(tun) == net_address(T, 0).sin_addr.s_addr, "from Ethernet to one without");
	close(fd);
	close(tun);
}

int main(void)
{
	struct hairpin *ethernet;

	for (size_t i = 0; i < sizeof(bulk); i++)
		bulk[i] = i * 7 + i / 251;
	make_network();
	load("int", ETH_HLEN);
	hook_attach("int2", BPF_TC_INGRESS, bpf->progs.enter);
	try_all(0, "kernel's route");
	try_all(1, "route given");
	try_datagram("other interface", a, A, c, C);
	try_stream("other interface", a, A, c, C);
	expect_right_checksums("other interface", c);
	try_device_without_offload();
	try_mtu();
	tap_equal(bpf->bss->num_broken, 0, "every packet could be changed");
	ethernet = bpf;
	try_tun(ethernet);
	return tap_finish();
}
