/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rewritten with bpf_l4_csum_replace (BPF_F_PSEUDO_HDR for addresses only), checksums are right whether they were
 * complete or partial.
 *
 * A partial checksum is completed after tc egress and looked at by the receiver only where the sending device has no
 * checksum offload, so that is turned off where the packets leave; also for packets far above the MTU, which are cut
 * up after tc.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/l4_csum.skel.h"
#include "net.h"
#include "tap.h"

enum { REMOTE_PORT = 60000, STREAM_LEN = 1 << 20, GSO_LEN = 30000, OTHER_PORT = 0x1234 };

static struct net net;
static struct l4_csum *bpf;
static uint8_t sent[STREAM_LEN], received[STREAM_LEN];

/* The remote's part: takes the stream and sends it back. */
static void *echo(void *argument)
{
	int listener = *(int *)argument;
	int fd = accept(listener, NULL, NULL);
	static uint8_t data[STREAM_LEN];
	size_t have = 0;
	ssize_t len;

	while (have < sizeof(data) && (len = recv(fd, data + have, sizeof(data) - have, 0)) > 0)
		have += len;
	for (size_t gone = 0; gone < have; gone += len)
		if ((len = send(fd, data + gone, have - gone, MSG_NOSIGNAL)) < 0)
			break;
	close(fd);
	return NULL;
}

static void try_stream(const char *how)
{
	int listener, fd;
	pthread_t thread;
	ssize_t len = 0;

	net_enter(net.remote);
	listener = net_socket(SOCK_STREAM, REMOTE_ADDR, REMOTE_PORT);
	listen(listener, 1);
	net_enter(net.client);
	if (pthread_create(&thread, NULL, echo, &listener))
		tap_die("cannot start a thread");
	fd = net_socket(SOCK_STREAM, NULL, 0);
	memset(received, 0, sizeof(received));
	bpf->bss->max_len = 0;
	if (tap_ok(net_connect(fd, REMOTE_ADDR, REMOTE_PORT) == 0, "%s: TCP connects", how)) {
		for (size_t gone = 0; gone < sizeof(sent) && len >= 0; gone += len)
			len = send(fd, sent + gone, sizeof(sent) - gone, MSG_NOSIGNAL);
		for (size_t have = 0; have < sizeof(received); have += len)
			if ((len = recv(fd, received + have, sizeof(received) - have, 0)) <= 0)
				break;
	}
	tap_ok(!memcmp(sent, received, sizeof(sent)), "%s: a megabyte goes there and back", how);
	tap_note("%s: the largest packet at tc had %u bytes", how, bpf->bss->max_len);
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
	close(listener);
}

/* Datagrams there and back; segment: the sender hands many over as one packet. */
static void try_datagrams(const char *how, int segment)
{
	struct sockaddr_in remote = net_address(REMOTE_ADDR, REMOTE_PORT), from = { 0 };
	socklen_t from_len = sizeof(from);
	size_t len = segment ? GSO_LEN : 100, have = 0, step = segment ? (size_t)segment : len;
	int there, here;

	net_enter(net.remote);
	there = net_socket(SOCK_DGRAM, REMOTE_ADDR, REMOTE_PORT);
	net_enter(net.client);
	here = net_socket(SOCK_DGRAM, CLIENT_ADDR, 4000);
	if (segment && setsockopt(here, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		tap_die("cannot ask for UDP segmentation");
	memset(received, 0, sizeof(received));
	sendto(here, sent, len, 0, (struct sockaddr *)&remote, sizeof(remote));
	for (ssize_t got; have < len; have += got)
		if ((got = recvfrom(there, received + have, step, 0, (struct sockaddr *)&from, &from_len)) <= 0)
			break;
	tap_ok(have == len && !memcmp(sent, received, len), "%s: %s arrive", how,
	       segment ? "segmented datagrams" : "datagrams");
	tap_ok(ntohs(from.sin_port) == (4000 ^ OTHER_PORT), "%s: from the other port", how);
	sendto(there, sent, 100, 0, (struct sockaddr *)&from, sizeof(from));
	tap_equal(recv(here, received, 100, 0), 100, "%s: and are answered", how);
	close(there);
	close(here);
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The UDP checksum field that the remote gets for a datagram of these two bytes. */
static int checksum_at_remote(uint16_t payload, int without)
{
	struct sockaddr_in remote = net_address(REMOTE_ADDR, REMOTE_PORT);
	uint16_t wire = htons(payload);
	uint8_t packet[256];
	int capture, here, result = -1;

	net_enter(net.remote);
	capture = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	setsockopt(capture, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = 2 }, sizeof(struct timeval));
	net_enter(net.client);
	here = net_socket(SOCK_DGRAM, CLIENT_ADDR, 4000);
	setsockopt(here, SOL_SOCKET, SO_NO_CHECK, &without, sizeof(without));
	sendto(here, &wire, sizeof(wire), 0, (struct sockaddr *)&remote, sizeof(remote));
	while (result < 0 && recv(capture, packet, sizeof(packet), 0) > 0)
		if (packet[9] == IPPROTO_UDP && packet[23] == (REMOTE_PORT & 0xff))
			result = packet[26] << 8 | packet[27];
	close(capture);
	close(here);
	return result;
}

static void try_zero(const char *how)
{
	/* everything that the checksum of the rewritten datagram covers but its two bytes of payload */
	uint32_t rest = 0xc000 + 0x0201 + 0xc000 + 0x0208 + IPPROTO_UDP + 10 + (4000 ^ OTHER_PORT) + REMOTE_PORT + 10;

	tap_equal(checksum_at_remote(0xffff - fold(rest), 0), 0xffff, "%s: a computed checksum of 0 is sent as 0xffff",
		  how);
	tap_equal(checksum_at_remote(0xffff - fold(rest + 1), 0), 1, "%s: its neighbour as it is", how);
	tap_equal(checksum_at_remote(7, 1), 0, "%s: a datagram without checksum stays without", how);
}

static void expect_no_errors(const char *where)
{
	tap_equal(net_counter("Tcp", "InCsumErrors"), 0, "%s saw no wrong TCP checksum", where);
	tap_equal(net_counter("Udp", "InCsumErrors"), 0, "%s saw no wrong UDP checksum", where);
	tap_equal(net_counter("Ip", "InHdrErrors"), 0, "%s saw no wrong IP header", where);
}

int main(void)
{
	net = net_create();
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = i * 2654435761u >> 16;
	bpf = l4_csum__open_and_load();
	if (!bpf)
		tap_die("cannot load the programs");
	hook_attach("ext", BPF_TC_EGRESS, bpf->progs.leave);
	hook_attach("ext", BPF_TC_INGRESS, bpf->progs.enter);

	/* both ends leave their checksums partial; the gateway's devices complete them, so the ends look at them */
	net_tx_checksum("ext", 0);
	net_tx_checksum("int", 0);
	try_stream("partial");
	tap_ok(bpf->bss->max_len > 1514, "partial: packets above the MTU were among them");
	try_datagrams("partial", 0);
	try_datagrams("partial", 1000);
	try_zero("partial");

	/* both ends complete theirs */
	net_enter(net.client);
	net_tx_checksum("eth0", 0);
	net_enter(net.remote);
	net_tx_checksum("eth0", 0);
	try_stream("complete");
	try_datagrams("complete", 0);
	try_zero("complete");

	tap_equal(bpf->bss->num_failed, 0, "every packet could be rewritten");
	net_enter(net.client);
	expect_no_errors("the client");
	net_enter(net.remote);
	expect_no_errors("the remote");
	l4_csum__destroy(bpf);
	return tap_finish();
}
