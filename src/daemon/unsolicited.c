/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answering SYNs from outside that nobody has asked for.
 *
 * Two hosts behind NATs that connect to each other at once send SYNs that cross. One of them comes too early: before the other
 * has left. An answer would end the attempt, so there is none for a while (RFC 5382 REQ-4). If the internal host has sent its
 * own SYN by then there is a session, and the remote's next SYN goes in. Else an ICMP error says that nobody is there.
 *
 * The hooks keep these SYNs in a map of bounded size, and drop them. If this process is gone, nothing is answered, which is
 * legal too (REQ-4a).
 */
#include "unsolicited.h"

#include <errno.h>
#include <linux/icmp.h>
#include <linux/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "addr.h"
#include "checksum.h"
#include "clock.h"
#include "table.h"

#define BATCH 512
#define TICK_MS 250
#define TICK_MIN_MS 10

struct answer {
	struct icmphdr icmp;
	__u8 quote[UNSOLICITED_QUOTE];
};

int unsolicited_open(struct unsolicited_syns *ret_unsolicited, const struct dataplane *dataplane, struct fault *fault)
{
	__u32 tick_ms = TICK_MS / dataplane->table.header->clock.factor;
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
	struct icmp_filter nothing = { .data = ~0u };

	if (fd < 0)
		return fault_set_errno(fault, errno, "cannot open a raw ICMP socket");
	/* it only sends */
	if (setsockopt(fd, IPPROTO_RAW, ICMP_FILTER, &nothing, sizeof(nothing))) {
		close(fd);
		return fault_set_errno(fault, errno, "cannot set the filter of a raw ICMP socket");
	}
	*ret_unsolicited = (struct unsolicited_syns){
		.dataplane = dataplane,
		.socket = fd,
		.tick_ms = tick_ms < TICK_MIN_MS ? TICK_MIN_MS : tick_ms,
	};
	return 0;
}

void unsolicited_close(struct unsolicited_syns *unsolicited)
{
	if (unsolicited->dataplane)
		close(unsolicited->socket);
	unsolicited->dataplane = NULL;
}

static bool may_send(struct unsolicited_syns *unsolicited, __u64 now_ns)
{
	if (unsolicited->second != now_ns / 1000000000) {
		unsolicited->second = now_ns / 1000000000;
		unsolicited->num_sent = 0;
	}
	return unsolicited->num_sent++ < LIMIT_ICMP_PER_S;
}

static size_t make_answer(const struct unsolicited_syn *syn, struct answer *ret_answer)
{
	size_t len = sizeof(ret_answer->icmp) + syn->len;

	*ret_answer = (struct answer){ .icmp = { .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH } };
	memcpy(ret_answer->quote, syn->quote, syn->len);
	ret_answer->icmp.checksum = ~checksum_sum(ret_answer, len);
	return len;
}

/* To whom the SYN came from, from the address that it was for, by the interface that it came by, in the class that it had (RFC
 * 5508 §7.7). A SYN from inside, whose remote is an external address of ours, is answered as the route leads. What cannot be
 * sent is not sent.
 */
static void send_answer(const struct unsolicited_syns *unsolicited, const struct unsolicited_key *key,
			const struct unsolicited_syn *syn)
{
	const struct table *table = &unsolicited->dataplane->table;
	char control[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int))] = {};
	const struct in_pktinfo from = {
		.ipi_ifindex = addr_is_own(&table->config, key->remote) ? 0 : table->header->ifindex,
		.ipi_spec_dst.s_addr = key->external,
	};
	struct sockaddr_in to = { .sin_family = AF_INET };
	const int tos = syn->quote[offsetof(struct iphdr, tos)] & 0xfc;
	struct answer answer;
	struct iovec data = { .iov_base = &answer, .iov_len = make_answer(syn, &answer) };
	struct msghdr message = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);

	memcpy(&to.sin_addr.s_addr, &syn->quote[offsetof(struct iphdr, saddr)], sizeof(to.sin_addr.s_addr));
	part->cmsg_level = IPPROTO_IP;
	part->cmsg_type = IP_PKTINFO;
	part->cmsg_len = CMSG_LEN(sizeof(from));
	memcpy(CMSG_DATA(part), &from, sizeof(from));
	part = CMSG_NXTHDR(&message, part);
	part->cmsg_level = IPPROTO_IP;
	part->cmsg_type = IP_TOS;
	part->cmsg_len = CMSG_LEN(sizeof(tos));
	memcpy(CMSG_DATA(part), &tos, sizeof(tos));
	sendmsg(unsolicited->socket, &message, MSG_NOSIGNAL);
}

/* Whether the internal side has sent a SYN too, or let the remote in. */
static bool is_wanted(const struct unsolicited_key *key)
{
	struct endpoint external = { .addr = key->external, .port = key->external_port };
	struct endpoint remote = { .addr = key->remote, .port = key->remote_port };
	struct row row;

	return table_find_inbound(IPPROTO_TCP, external, remote, &row);
}

static void look_at(struct unsolicited_syns *unsolicited, const struct unsolicited_key *key,
		    const struct unsolicited_syn *syn, __u64 now_ns)
{
	const struct table *table = &unsolicited->dataplane->table;
	__u64 wait_ns = table->config.timeout_s[TIMEOUT_UNSOLICITED_SYN] * 1000000000ull / table->header->clock.factor;

	if (now_ns - syn->time_ns < wait_ns || syn->time_ns > now_ns)
		return;
	/* first forgotten: what comes from now on is another attempt */
	bpf_map_delete_elem(unsolicited->dataplane->unsolicited_fd, key);
	if (table->config.unsolicited == UNSOLICITED_WAIT && syn->len <= UNSOLICITED_QUOTE && !is_wanted(key) &&
	    may_send(unsolicited, now_ns))
		send_answer(unsolicited, key, syn);
}

void unsolicited_step(struct unsolicited_syns *unsolicited)
{
	static struct unsolicited_key key[BATCH];
	static struct unsolicited_syn syn[BATCH];
	__u32 cursor, num = 0;
	bool more, begun = false;

	/* What is removed meanwhile may hide others until the next step; every turn but the last brings at least one. */
	for (__u32 seen = 0; seen <= MAX_UNSOLICITED; seen += num) {
		num = BATCH;
		more = !bpf_map_lookup_batch(unsolicited->dataplane->unsolicited_fd, begun ? &cursor : NULL, &cursor,
					     key, syn, &num, NULL);
		if (!more && errno != ENOENT)
			return;
		begun = true;
		for (__u32 i = 0; i < num; i++)
			look_at(unsolicited, &key[i], &syn[i], clock_read_mono_ns());
		if (!more || !num)
			return;
	}
}
