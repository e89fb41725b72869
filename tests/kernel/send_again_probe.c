/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tc program sends a packet to the hook that it is at, and after it others in the place of the same packet: shorter and
 * longer ones, whose bytes a map has kept.
 *
 * They come to the hook again in that order: at egress at once, while the program still runs, at ingress when it has ended. The
 * interface that they came in by is still known at egress. They arrive whole, the one that went first before the others.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hook.h"
#include "net.h"
#include "send_again.h"
#include "tap.h"

#include "kernel/send_again.skel.h"

enum {
	PORT = 60000,
	FIRST_LEN = 100,
	LONG_LEN = 1400,
	SHORT_LEN = 2,
	HEADERS = sizeof(struct iphdr) + sizeof(struct udphdr),
	MARK = 77,
	LIMIT_MS = 2000,
};

static struct net net;
static struct send_again *bpf;

static void load(const char *device, enum bpf_tc_attach_point point, unsigned int l3)
{
	static const int near_end = (2 << 20) - 64;
	char ring[sizeof(uint64_t)];
	void *value;
	int zero = 0, map;

	bpf = send_again__open();
	if (!bpf)
		tap_die("cannot open the programs");
	bpf->rodata->l3 = l3;
	if (send_again__load(bpf))
		tap_die("cannot load the programs");
	map = bpf_map__fd(bpf->maps.rings);
	value = calloc(1, bpf_map__value_size(bpf->maps.rings));
	*(uint64_t *)ring = near_end;
	memcpy(value, ring, sizeof(ring));
	if (bpf_map_update_elem(map, &zero, value, BPF_ANY))
		tap_die("cannot write a value of %u bytes", bpf_map__value_size(bpf->maps.rings));
	free(value);
	hook_attach(device, point, point == BPF_TC_EGRESS ? bpf->progs.leave : bpf->progs.come);
}

static void fill(char *data, char letter, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = letter + i % 7;
	data[0] = letter;
}

static void send_one(int fd, char letter, size_t len)
{
	char data[LONG_LEN];

	fill(data, letter, len);
	if (send(fd, data, len, 0) != (ssize_t)len)
		tap_die("cannot send");
}

static void expect_one(int fd, size_t skip, char letter, size_t len, const char *how)
{
	char data[2048], expected[LONG_LEN];
	struct pollfd waiting = { .fd = fd, .events = POLLIN };
	ssize_t got = poll(&waiting, 1, LIMIT_MS) == 1 ? read(fd, data, sizeof(data)) : -1;

	fill(expected, letter, len);
	tap_ok(got == (ssize_t)(skip + len) && !memcmp(data + skip, expected, len),
	       "%s: '%c' of %zu bytes comes next, whole", how, letter, len);
}

/* Five runs: two kept, the first one, which is sent again, and again all three. */
static void expect_runs(const char *how, unsigned int ingress_ifindex, bool nested, unsigned int headers)
{
	static const struct {
		unsigned int letter;
		unsigned int len;
	} expected[] = {
		{ 'h', LONG_LEN },  { 'h', SHORT_LEN }, { 'f', FIRST_LEN },
		{ 'f', FIRST_LEN }, { 'h', LONG_LEN },  { 'h', SHORT_LEN },
	};

	tap_equal(bpf->bss->error, 0, "%s: no helper fails", how);
	tap_equal(bpf->bss->num_runs, 6, "%s: the hook sees each of three packets twice", how);
	for (int i = 0; i < 6; i++) {
		const struct run *run = &bpf->bss->run[i];

		tap_ok(run->letter == expected[i].letter && run->len == headers + expected[i].len,
		       "%s: run %d is about '%c' of %u bytes", how, i, expected[i].letter, expected[i].len);
		tap_equal(run->ingress_ifindex, ingress_ifindex, "%s: run %d knows where it came in", how, i);
		tap_equal(run->nested, i >= 3 && nested, "%s: run %d is %sinside another", how, i,
			  i >= 3 && nested ? "" : "not ");
		if (i >= 3)
			tap_equal(run->mark, bpf->bss->run[2].mark, "%s: run %d has the mark of the first", how, i);
	}
}

static void send_three(int fd)
{
	send_one(fd, 'h', LONG_LEN);
	send_one(fd, 'h', SHORT_LEN);
	send_one(fd, 'f', FIRST_LEN);
}

/* Receives three datagrams, the one that came last first. */
static void expect_three(int fd, size_t skip, const char *how)
{
	expect_one(fd, skip, 'f', FIRST_LEN, how);
	expect_one(fd, skip, 'h', LONG_LEN, how);
	expect_one(fd, skip, 'h', SHORT_LEN, how);
}

static unsigned int ifindex_in_gateway(const char *device)
{
	unsigned int index;

	net_enter(net.gateway);
	index = if_nametoindex(device);
	return index;
}

static int open_udp(int namespace, const char *local, const char *remote)
{
	int fd;

	net_enter(namespace);
	fd = net_socket(SOCK_DGRAM, local, local ? PORT : 0);
	if (remote && net_connect(fd, remote, PORT))
		tap_die("cannot connect a datagram socket");
	return fd;
}

static void try_egress(void)
{
	int from = open_udp(net.client, NULL, REMOTE_ADDR), to = open_udp(net.remote, REMOTE_ADDR, NULL);

	net_enter(net.gateway);
	load("ext", BPF_TC_EGRESS, ETH_HLEN);
	send_three(from);
	expect_three(to, 0, "egress");
	expect_runs("egress", ifindex_in_gateway("int"), true, ETH_HLEN + HEADERS);
	send_again__destroy(bpf);
	close(from);
	close(to);
}

/* What the host itself sends is still known as such. */
static void try_egress_of_host(void)
{
	const int mark = MARK;
	int from = open_udp(net.gateway, NULL, REMOTE_ADDR), to = open_udp(net.remote, REMOTE_ADDR, NULL);

	setsockopt(from, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	net_enter(net.gateway);
	net_shell("tc qdisc del dev ext clsact");
	load("ext", BPF_TC_EGRESS, ETH_HLEN);
	send_three(from);
	expect_three(to, 0, "host");
	expect_runs("host", 0, true, ETH_HLEN + HEADERS);
	tap_equal(bpf->bss->run[5].mark, MARK, "host: the mark of the socket stays");
	send_again__destroy(bpf);
	close(from);
	close(to);
}

static void try_ingress(void)
{
	int from = open_udp(net.remote, NULL, CLIENT_ADDR), to = open_udp(net.client, CLIENT_ADDR, NULL);
	unsigned int ext = ifindex_in_gateway("ext");

	net_shell("tc qdisc del dev ext clsact");
	load("ext", BPF_TC_INGRESS, ETH_HLEN);
	send_three(from);
	expect_three(to, 0, "ingress");
	expect_runs("ingress", ext, false, ETH_HLEN + HEADERS);
	send_again__destroy(bpf);
	close(from);
	close(to);
}

/* A device without a link header takes the place of the external one. */
static int make_tun(void)
{
	struct ifreq request = { .ifr_name = "tun0", .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		tap_die("cannot make a tun device");
	net_shell("ip address add 198.51.100.1/32 dev tun0 && ip link set tun0 addrgenmode none && ip link set tun0 up "
		  "&& "
		  "ip route add 203.0.113.0/24 dev tun0 && sysctl -qw net.ipv4.conf.tun0.rp_filter=0");
	return fd;
}

static uint16_t sum(const uint8_t *bytes, size_t len)
{
	uint32_t total = 0;

	for (size_t i = 0; i < len; i++)
		total += i % 2 ? bytes[i] : bytes[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return ~total;
}

static void write_to_tun(int tun, char letter, size_t len)
{
	char packet[HEADERS + LONG_LEN] = { 0 };
	struct iphdr *ip = (void *)packet;
	struct udphdr *udp = (void *)(ip + 1);

	*ip = (struct iphdr){
		.version = 4, .ihl = 5, .tot_len = htons(HEADERS + len), .ttl = 64, .protocol = IPPROTO_UDP
	};
	ip->saddr = net_address("203.0.113.8", 0).sin_addr.s_addr;
	ip->daddr = net_address(CLIENT_ADDR, 0).sin_addr.s_addr;
	ip->check = htons(sum((void *)ip, sizeof(*ip)));
	*udp = (struct udphdr){ .source = htons(9), .dest = htons(PORT), .len = htons(sizeof(*udp) + len) };
	fill((char *)(udp + 1), letter, len);
	if (write(tun, packet, HEADERS + len) != (ssize_t)(HEADERS + len))
		tap_die("cannot write to the tun device");
}

static void try_tun(void)
{
	int from = open_udp(net.client, NULL, "203.0.113.8"), to = open_udp(net.client, CLIENT_ADDR, NULL);
	unsigned int internal = ifindex_in_gateway("int"), index;
	int tun = make_tun();

	index = if_nametoindex("tun0");
	load("tun0", BPF_TC_EGRESS, 0);
	send_three(from);
	expect_three(tun, HEADERS, "tun egress");
	expect_runs("tun egress", internal, true, HEADERS);
	send_again__destroy(bpf);

	net_shell("tc qdisc del dev tun0 clsact");
	load("tun0", BPF_TC_INGRESS, 0);
	write_to_tun(tun, 'h', LONG_LEN);
	write_to_tun(tun, 'h', SHORT_LEN);
	write_to_tun(tun, 'f', FIRST_LEN);
	expect_three(to, 0, "tun ingress");
	expect_runs("tun ingress", index, false, HEADERS);
	send_again__destroy(bpf);
	close(tun);
	close(from);
	close(to);
}

int main(void)
{
	net = net_create();
	/* fragments have complete checksums, so let these have them */
	net_enter(net.client);
	net_tx_checksum("eth0", 0);
	net_enter(net.gateway);
	net_tx_checksum("ext", 0);
	net_enter(net.remote);
	net_tx_checksum("eth0", 0);
	net_enter(net.client);
	net_shell("ping -q -c 1 -W 5 " REMOTE_ADDR " >/dev/null"); /* the neighbours are known */
	try_egress();
	try_egress_of_host();
	try_ingress();
	try_tun();
	net_enter(net.remote);
	tap_equal(net_counter("Udp", "InCsumErrors"), 0, "no checksum was found wrong outside");
	net_enter(net.client);
	tap_equal(net_counter("Udp", "InCsumErrors"), 0, "nor inside");
	return tap_finish();
}
