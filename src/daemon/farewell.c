/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling both ends of a TCP connection that its session has expired, or the inner end that its external address is gone.
 *
 * A RST has to carry the sequence number that its receiver waits for, which is not known here. So each end gets an ACK in the
 * other's name whose numbers are wrong. Its stack answers with an ACK that carries the right ones (RFC 9293 §3.10.7.4), and
 * that one, belonging to no session any more, is answered by a RST: inside by the hooks (mid-stream=reset), outside by the
 * machine's own stack. Whoever has no such connection any more says so by a RST, which ends here.
 */
#include "farewell.h"

#include <errno.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "checksum.h"
#include "clock.h"
#include "log.h"
#include "session.h"
#include "table.h"

/* Each session brings two segments and, if all goes well, two answers and two RSTs. The rest is not told. */
#define FAREWELLS_PER_S (LIMIT_ICMP_PER_S / 2)

struct segment {
	struct iphdr ip;
	struct tcphdr tcp;
};

/* As it is summed: with the fields of the IP header that TCP's checksum covers. */
struct summed {
	__be32 src;
	__be32 dst;
	__be16 proto;
	__be16 len;
	struct tcphdr tcp;
};
_Static_assert(sizeof(struct summed) == 32, "no padding");

int farewell_open(struct farewell *ret_farewell, const struct dataplane *dataplane, struct fault *fault)
{
	/* IPPROTO_RAW: nothing is received, and the IP header is ours */
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);

	if (fd < 0)
		return fault_set_errno(fault, errno, "cannot open a raw socket");
	memset(ret_farewell, 0, sizeof(*ret_farewell));
	ret_farewell->dataplane = dataplane;
	ret_farewell->socket = fd;
	return 0;
}

void farewell_close(struct farewell *farewell)
{
	if (farewell->dataplane)
		close(farewell->socket);
	farewell->dataplane = NULL;
}

void farewell_note(struct farewell *farewell, __u32 index)
{
	enum session_state state;
	struct row row;

	if (farewell->dataplane->table.config.expired != EXPIRED_RESET || farewell->num == SWEEP_BATCH ||
	    !table_read(index, &row) || row.pair.proto != IPPROTO_TCP || row_is_mapping(&row))
		return;
	/* The host's own connection, which had to be moved, goes on without a session, and its remote answers with a RST. */
	if (row.pair.flags & ENTRY_HOST)
		return;
	state = row_state(&row);
	if (state == SESSION_ESTABLISHED || state == SESSION_HALF_CLOSED)
		farewell->session[farewell->num++] = row.pair;
}

/* `ifindex` 0: as the route leads. What cannot be sent is not sent. */
static void send_ack(const struct farewell *farewell, struct endpoint from, struct endpoint to, int ifindex)
{
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {};
	const struct in_pktinfo by = { .ipi_ifindex = ifindex };
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = to.addr };
	/* the kernel fills in the identification, the length and the checksum of the IP header */
	struct segment segment = {
		.ip = { .version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.saddr = from.addr,
			.daddr = to.addr },
		.tcp = { .source = from.port, .dest = to.port, .doff = sizeof(struct tcphdr) / 4, .ack = 1 },
	};
	const struct summed summed = {
		.src = from.addr,
		.dst = to.addr,
		.proto = cpu_to_be16(IPPROTO_TCP),
		.len = cpu_to_be16(sizeof(struct tcphdr)),
		.tcp = segment.tcp,
	};
	struct iovec data = { .iov_base = &segment, .iov_len = sizeof(segment) };
	struct msghdr message = {
		.msg_name = &name,
		.msg_namelen = sizeof(name),
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);
	__u8 octet[sizeof(summed)];

	/* a copy: clang's analyzer takes octets of a record for uninitialised */
	memcpy(octet, &summed, sizeof(octet));
	segment.tcp.check = ~checksum_sum(octet, sizeof(octet));
	part->cmsg_level = IPPROTO_IP;
	part->cmsg_type = IP_PKTINFO;
	part->cmsg_len = CMSG_LEN(sizeof(by));
	memcpy(CMSG_DATA(part), &by, sizeof(by));
	sendmsg(farewell->socket, &message, MSG_NOSIGNAL);
}

static bool is_gone(const struct pair *session)
{
	struct row row;

	return !table_find_inbound(session->proto, session->external, session->remote, &row) &&
	       !table_find_outbound(session->proto, session->internal, session->remote, &row);
}

static bool may_tell(struct farewell *farewell)
{
	__u64 second = clock_read_mono_ns() / 1000000000;

	if (farewell->second != second) {
		farewell->second = second;
		farewell->num_told = 0;
	}
	return farewell->num_told++ < FAREWELLS_PER_S;
}

void farewell_send(struct farewell *farewell)
{
	const struct table *table = &farewell->dataplane->table;

	for (__u32 i = 0; i < farewell->num; i++) {
		const struct pair *session = &farewell->session[i];

		if (!is_gone(session) || !may_tell(farewell))
			continue;
		send_ack(farewell, session->remote, session->internal, 0);
		/* The other end of a connection between internal hosts has a session of its own. And nothing is said in the
		 * name of an address that is not ours any more.
		 */
		if (!addr_is_own(&table->config, session->remote.addr) &&
		    addr_is_own(&table->config, session->external.addr))
			send_ack(farewell, session->external, session->remote, table->header->ifindex);
	}
	farewell->num = 0;
}
