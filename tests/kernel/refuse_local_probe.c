/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A local program whose packet is refused at tc egress is told at once, by an answer made in place of the packet.
 *
 * A blocking connect() owns its socket while the SYN leaves and the answer comes back. An ICMP error is then only
 * noted, and counts when the SYN is sent again, a second later; a RST waits in the socket's backlog and counts at
 * once. A connected UDP socket hears of the codes that RFC 1122 calls hard (13), not of soft ones (1).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/refuse_local.skel.h"
#include "net.h"
#include "tap.h"

enum {
	PORT = 60000,
	AT_ONCE_MS = 900, /* before the second is over after which a SYN is sent again; an emulated machine is slow */
	HOST_UNREACHABLE = 1,
	PROHIBITED = 13,
};

static struct refuse_local *bpf;

static void refuse_with_icmp(unsigned int code)
{
	bpf->bss->answer_with_reset = 0;
	bpf->bss->code = code;
}

static int socket_error(int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error;
}

static int send_to_remote(int fd)
{
	struct sockaddr_in remote = net_address(REMOTE_ADDR, PORT);

	return sendto(fd, "?", 1, 0, (struct sockaddr *)&remote, sizeof(remote)) < 0 ? errno : 0;
}

static int receive(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) < 0 ? errno : 0;
}

static void try_connect(const char *device, const char *answer, int expected)
{
	int fd = net_socket(SOCK_STREAM, NULL, 0);
	struct pollfd waiting = { .fd = fd, .events = POLLOUT };
	double start = net_milliseconds();

	fcntl(fd, F_SETFL, O_NONBLOCK);
	tap_equal(net_connect(fd, REMOTE_ADDR, PORT), EINPROGRESS, "%s: %s: a non-blocking connect goes on", device,
		  answer);
	tap_ok(poll(&waiting, 1, AT_ONCE_MS) == 1, "%s: %s: and is woken at once", device, answer);
	tap_equal(socket_error(fd), expected, "%s: %s: with %s", device, answer, strerror(expected));
	tap_note("after %.3f ms", net_milliseconds() - start);
	close(fd);
}

static void try_tcp(const char *device)
{
	int fd = net_socket(SOCK_STREAM, NULL, 0);
	double start = net_milliseconds(), passed;

	bpf->bss->answer_with_reset = 1;
	tap_equal(net_connect(fd, REMOTE_ADDR, PORT), ECONNREFUSED, "%s: reset: a blocking connect is refused", device);
	passed = net_milliseconds() - start;
	tap_ok(passed < AT_ONCE_MS, "%s: reset: at once", device);
	tap_note("after %.3f ms", passed);
	close(fd);
	try_connect(device, "reset", ECONNREFUSED);
	refuse_with_icmp(HOST_UNREACHABLE);
	try_connect(device, "ICMP 3/1", EHOSTUNREACH);
	refuse_with_icmp(PROHIBITED);
	try_connect(device, "ICMP 3/13", EHOSTUNREACH);
}

/* Which is why the answer to a SYN is a reset. */
static void note_blocking_connect(void)
{
	int fd = net_socket(SOCK_STREAM, NULL, 0);
	double start = net_milliseconds();
	int error;

	refuse_with_icmp(HOST_UNREACHABLE);
	error = net_connect(fd, REMOTE_ADDR, PORT);
	tap_note("ICMP 3/1: a blocking connect says \"%s\" after %.0f ms", strerror(error), net_milliseconds() - start);
	close(fd);
}

static void try_connected_udp(const char *device)
{
	int fd = net_socket(SOCK_DGRAM, NULL, 0);
	long heard = net_counter("Icmp", "InDestUnreachs");

	net_connect(fd, REMOTE_ADDR, PORT);
	refuse_with_icmp(HOST_UNREACHABLE);
	send(fd, "?", 1, 0);
	for (double start = net_milliseconds(); net_milliseconds() - start < AT_ONCE_MS;)
		if (net_counter("Icmp", "InDestUnreachs") > heard)
			break;
	tap_equal(net_counter("Icmp", "InDestUnreachs"), heard + 1, "%s: ICMP 3/1 for connected UDP arrives", device);
	tap_note("and the socket hears: %s", strerror(socket_error(fd)));

	refuse_with_icmp(PROHIBITED);
	send(fd, "?", 1, 0);
	tap_equal(receive(fd), EHOSTUNREACH, "%s: ICMP 3/13: connected UDP hears of it", device);
	close(fd);
}

static void try_error_queue(const char *device)
{
	int fd = net_socket(SOCK_DGRAM, NULL, 0);
	const int on = 1;
	char control[256], byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	const struct sock_extended_err *error = NULL;

	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	refuse_with_icmp(HOST_UNREACHABLE);
	send_to_remote(fd);
	tap_equal(receive(fd), EHOSTUNREACH, "%s: ICMP 3/1: unconnected UDP with IP_RECVERR hears of it", device);
	if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0 && CMSG_FIRSTHDR(&message))
		error = (void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
	tap_ok(error && error->ee_type == ICMP_DEST_UNREACH && error->ee_code == HOST_UNREACHABLE,
	       "%s: its error queue says 3/1", device);
	close(fd);
}

static void try_ping(const char *device)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct icmphdr echo = { .type = ICMP_ECHO, .un.echo.id = htons(7) };
	struct sockaddr_in remote = net_address(REMOTE_ADDR, 0);
	uint8_t packet[256] = { 0 };
	ssize_t len;

	if (fd < 0)
		tap_die("cannot make a raw socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = 2 }, sizeof(struct timeval));
	echo.checksum = htons(0xffff - (ICMP_ECHO << 8) - 7);
	refuse_with_icmp(HOST_UNREACHABLE);
	sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&remote, sizeof(remote));
	len = recv(fd, packet, sizeof(packet), 0);
	tap_ok(len == 20 + 8 + 20 + 8 && packet[20] == ICMP_DEST_UNREACH && packet[21] == HOST_UNREACHABLE,
	       "%s: ICMP 3/1: ping gets it", device);
	tap_ok(len == 56 && !memcmp(packet + 48, &echo, sizeof(echo)), "%s: with its echo request inside", device);
	close(fd);
}

static void try_drop(void)
{
	int fd = net_socket(SOCK_DGRAM, NULL, 0);
	const int on = 1;

	bpf->bss->drop = 1;
	tap_equal(send_to_remote(fd), 0, "a dropped datagram: sendto sees nothing of it");
	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	tap_equal(send_to_remote(fd), ENOBUFS, "a dropped datagram: with IP_RECVERR it is ENOBUFS");
	bpf->bss->drop = 0;
	close(fd);
}

static void load(const char *device, unsigned int l3)
{
	bpf = refuse_local__open();
	if (!bpf)
		tap_die("cannot open the programs");
	bpf->rodata->l3 = l3;
	if (refuse_local__load(bpf))
		tap_die("cannot load the programs");
	hook_attach(device, BPF_TC_EGRESS, bpf->progs.leave);
	hook_attach(device, BPF_TC_INGRESS, bpf->progs.enter);
	bpf->bss->refuse = 1;
}

static void try_device(const char *device)
{
	try_tcp(device);
	try_connected_udp(device);
	try_error_queue(device);
	try_ping(device);
	tap_equal(bpf->bss->num_broken, 0, "%s: every answer could be built", device);
	tap_equal(bpf->bss->num_returned, bpf->bss->num_refused, "%s: the mark comes back with every answer", device);
	tap_equal(net_counter("Icmp", "InCsumErrors") + net_counter("Tcp", "InCsumErrors"), 0,
		  "%s: every checksum is right", device);
}

/* A device without a link header takes the place of the external one. */
static int make_tun(void)
{
	struct ifreq request = { .ifr_name = "tun0", .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		tap_die("cannot make a tun device");
	net_shell("ip address add 198.51.100.1/32 dev tun0 && ip link set tun0 up && "
		  "ip route add " REMOTE_ADDR " dev tun0 src 198.51.100.1");
	return fd;
}

int main(void)
{
	int tun;

	net_create();
	net_shell("ping -q -c 1 -W 5 " REMOTE_ADDR " >/dev/null"); /* the neighbour is known */
	load("ext", 14);
	try_device("veth");
	note_blocking_connect();
	try_drop();
	refuse_local__destroy(bpf);

	tun = make_tun();
	load("tun0", 0);
	try_device("tun");
	close(tun);
	return tap_finish();
}
