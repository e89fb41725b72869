/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sender of a packet that is refused at tc egress is told by an ICMP error, made in place and sent back to where
 * it came from.
 *
 * Whatever the packet was (small, one of 40 kB that waits to be cut up, a fragment) and whether its checksum was
 * complete or not: the error has the right source and right checksums, also when a device completes what was partial
 * in the packet it quotes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/refuse_forwarded.skel.h"
#include "net.h"
#include "tap.h"

enum {
	PORT = 60000,
	AT_ONCE_MS = 900,
	LIMIT_MS = 2000,
	GSO_LEN = 30000,
	MAX_ERROR_LEN = 576,
};

static struct net net;
static struct refuse_forwarded *bpf;
static char data[GSO_LEN];

/* The sum of a header or packet that holds its own checksum is 0xffff if that is right. */
static uint16_t sum(const uint8_t *bytes, size_t len)
{
	uint32_t total = 0;

	for (size_t i = 0; i < len; i++)
		total += i % 2 ? bytes[i] : bytes[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

static int open_raw(void)
{
	const struct timeval timeout = { .tv_sec = 2 };
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	if (fd < 0)
		tap_die("cannot make a raw socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return fd;
}

static bool same_address(struct in_addr is, const char *expected)
{
	return is.s_addr == net_address(expected, 0).sin_addr.s_addr;
}

/* What is wrong with an ICMP error, or NULL. */
static const char *find_fault(const uint8_t *packet, ssize_t len, int protocol)
{
	const struct ip *ip = (const void *)packet, *quoted = (const void *)(packet + 28);

	if (len < 56)
		return "none came, or a short one";
	if (len > MAX_ERROR_LEN || ntohs(ip->ip_len) != len)
		return "the length";
	if (packet[20] != ICMP_DEST_UNREACH || packet[21] != ICMP_HOST_UNREACH)
		return "type or code";
	if (!same_address(ip->ip_src, INTERNAL_ADDR))
		return "the source";
	if (!same_address(quoted->ip_src, CLIENT_ADDR) || !same_address(quoted->ip_dst, REMOTE_ADDR) ||
	    quoted->ip_p != protocol || quoted->ip_hl != 5)
		return "the quoted header";
	if (sum(packet, 20) != 0xffff)
		return "the IP checksum";
	if (sum(packet + 20, len - 20) != 0xffff)
		return "the ICMP checksum";
	return NULL;
}

/* Takes one ICMP error off the raw socket and looks at every field of it. */
static void expect_error(int raw, const char *about, int protocol)
{
	uint8_t packet[2048];
	ssize_t len = recv(raw, packet, sizeof(packet), 0);
	const char *fault = find_fault(packet, len, protocol);

	tap_ok(!fault, "%s: an ICMP error comes, and all of it is right", about);
	if (fault)
		tap_note("wrong: %s (%zd bytes)", fault, len);
}

/* Sends something of which `num` packets come to be refused. */
static bool send_refused(int fd, size_t len, unsigned int num)
{
	volatile unsigned int *num_refused = &bpf->bss->num_refused;
	unsigned int before = *num_refused;
	double start = net_milliseconds();
	ssize_t sent;

	bpf->bss->refuse = 1;
	sent = send(fd, data, len, 0);
	while (*num_refused - before < num && net_milliseconds() - start < LIMIT_MS)
		poll(NULL, 0, 1);
	bpf->bss->refuse = 0;
	return sent == (ssize_t)len && *num_refused - before >= num;
}

static int open_udp(void)
{
	int fd = net_socket(SOCK_DGRAM, NULL, 0);

	if (net_connect(fd, REMOTE_ADDR, PORT))
		tap_die("cannot connect a datagram socket");
	return fd;
}

static void try_udp(const char *how)
{
	int raw = open_raw(), fd = open_udp();
	const int cut_up = IP_PMTUDISC_DONT;
	char about[64];

	snprintf(about, sizeof(about), "%s: datagram", how);
	tap_ok(send_refused(fd, 100, 1), "%s is refused", about);
	expect_error(raw, about, IPPROTO_UDP);

	snprintf(about, sizeof(about), "%s: fragments", how);
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &cut_up, sizeof(cut_up));
	tap_ok(send_refused(fd, 2000, 2), "%s are refused", about);
	expect_error(raw, about, IPPROTO_UDP);
	expect_error(raw, about, IPPROTO_UDP); /* tc sees each, and which may be told is for the caller to say */

	close(fd);
	close(raw);
}

/* One packet of many datagrams; 6.1 makes it only where the device completes checksums. */
static void try_udp_gso(const char *how)
{
	int raw = open_raw(), fd = open_udp();
	const int segment = 1000;
	char about[64];

	snprintf(about, sizeof(about), "%s: UDP GSO", how);
	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		tap_die("cannot ask for UDP segmentation");
	bpf->bss->max_len = 0;
	tap_ok(send_refused(fd, GSO_LEN, 1), "%s is refused", about);
	tap_note("the largest packet at tc egress had %u bytes", bpf->bss->max_len);
	expect_error(raw, about, IPPROTO_UDP);
	close(fd);
	close(raw);
}

static void try_connect(const char *how)
{
	int fd = net_socket(SOCK_STREAM, NULL, 0), error = 0;
	struct pollfd waiting = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(error);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	bpf->bss->refuse = 1;
	net_connect(fd, REMOTE_ADDR, PORT);
	tap_ok(poll(&waiting, 1, AT_ONCE_MS) == 1, "%s: a non-blocking connect is woken at once", how);
	bpf->bss->refuse = 0;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	tap_equal(error, EHOSTUNREACH, "%s: with EHOSTUNREACH", how);
	close(fd);
}

/* Data of a connection that the gateway lets through first, in packets far above the MTU. */
static void try_stream(const char *how)
{
	int listener, fd, raw;
	char about[64];

	net_enter(net.remote);
	listener = net_socket(SOCK_STREAM, REMOTE_ADDR, PORT);
	listen(listener, 1);
	net_enter(net.client);
	fd = net_socket(SOCK_STREAM, NULL, 0);
	if (net_connect(fd, REMOTE_ADDR, PORT))
		tap_die("cannot connect");
	raw = open_raw();
	bpf->bss->max_len = 0;
	snprintf(about, sizeof(about), "%s: TCP GSO", how);
	tap_ok(send_refused(fd, GSO_LEN, 1), "%s is refused", about);
	tap_note("the largest packet at tc egress had %u bytes", bpf->bss->max_len);
	tap_ok(bpf->bss->max_len > 1514, "%s: its packets are above the MTU", about);
	expect_error(raw, about, IPPROTO_TCP);
	close(raw);
	close(fd);
	close(listener);
}

/* Neither side need know the other's link address. */
static void try_unknown_neighbour(void)
{
	net_enter(net.gateway);
	net_shell("ip neighbour flush dev int");
	net_enter(net.client);
	try_connect("unknown neighbour");
}

static void load(const char *device, unsigned int l3)
{
	bpf = refuse_forwarded__open();
	if (!bpf)
		tap_die("cannot open the programs");
	bpf->rodata->l3 = l3;
	if (refuse_forwarded__load(bpf))
		tap_die("cannot load the programs");
	hook_attach(device, BPF_TC_EGRESS, bpf->progs.leave);
}

static void expect_nothing_broken(const char *how)
{
	tap_note("%u packets were refused, %u with a partial checksum", bpf->bss->num_refused, bpf->bss->num_partial);
	tap_equal(bpf->bss->num_broken, 0, "%s: every error could be built", how);
	tap_equal(net_counter("Icmp", "InCsumErrors"), 0, "%s: the client's kernel finds no wrong checksum", how);
}

/* A device without a link header takes the place of the external one. */
static int make_tun(void)
{
	struct ifreq request = { .ifr_name = "tun0", .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		tap_die("cannot make a tun device");
	net_shell("ip address add 198.51.100.1/32 dev tun0 && ip link set tun0 up && ip route add " REMOTE_ADDR
		  " dev tun0");
	return fd;
}

int main(void)
{
	int tun;

	net = net_create();
	load("ext", ETH_HLEN);
	net_enter(net.client);
	net_shell("ping -q -c 1 -W 5 " REMOTE_ADDR " >/dev/null"); /* the neighbours are known */
	try_connect("veth");
	try_udp("veth");
	try_udp_gso("veth");
	try_stream("veth");
	try_unknown_neighbour();

	/* from here on a device completes what is partial in the error, as hardware would */
	net_enter(net.gateway);
	net_tx_checksum("int", 0);
	net_enter(net.client);
	try_connect("completed");
	try_udp("completed");
	try_udp_gso("completed");
	try_stream("completed");

	/* and here the client itself sends complete checksums only */
	net_tx_checksum("eth0", 0);
	try_udp("complete");
	expect_nothing_broken("veth");
	refuse_forwarded__destroy(bpf);

	net_enter(net.gateway);
	tun = make_tun();
	load("tun0", 0);
	net_enter(net.client);
	try_connect("tun");
	net_tx_checksum("eth0", 1);
	try_udp("tun");
	try_udp_gso("tun");
	expect_nothing_broken("tun");
	close(tun);
	return tap_finish();
}
