/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The property that the counters stand for: in a storm of a million packets of all kinds, those that came in are those that
 * went out and those of each reason that did not, exactly, in each direction; and every failure was kept. garbage_test.c
 * looks at what becomes of each packet; here only the sums count. The seed is printed; BAUTA_SEED plays it again,
 * BAUTA_PACKETS says how many.
 */
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "chance.h"
#include "gateway.h"
#include "reason_text.h"

#define NUM_PACKETS 1000000
#define NUM_EMULATED 20000 /* a processor that is emulated takes a hundred times as long */
#define ROUND 2000         /* packets between two balances, all of one direction */

static struct gateway gateway;

/* ---- the weather ------------------------------------------------------------------------------------------------ */

/* Few enough ports that they run out toward a remote, so many endpoints that some find none. */
#define RANGES "40000-40015"

static struct endpoint internal(void)
{
	return (struct endpoint){ .addr = htonl(0xc0a80005 + below(8)), .port = htons(40000 + below(20)) };
}

static struct endpoint remote(void)
{
	return (struct endpoint){ .addr = htonl(0xc6336408 + below(3)), .port = htons(80 + below(3)) };
}

/* Mostly a port of the ranges; the host has others too. */
static struct endpoint external(void)
{
	return at(EXTERNAL, 40000 + below(20));
}

static void make_query(struct frame *frame, struct endpoint from, struct endpoint to, bool inbound)
{
	static const __u8 types[] = { ICMP_TYPE_ECHO, ICMP_TYPE_TIMESTAMP };
	static const __u8 answers[] = { ICMP_TYPE_ECHO_REPLY, ICMP_TYPE_TIMESTAMP_REPLY };
	__u32 which = below(2);

	frame_icmp(frame, from.addr, to.addr, inbound ? answers[which] : types[which], 40000 + below(20));
}

static void make_error(struct frame *frame, struct endpoint from, struct endpoint to)
{
	static const __u8 types[] = { ICMP_TYPE_UNREACHABLE, ICMP_TYPE_TIME_EXCEEDED, ICMP_TYPE_PARAMETER_PROBLEM };
	struct frame about;

	if (below(2))
		frame_udp(&about, to, from, 30);
	else
		frame_tcp(&about, to, from, LIFE_ACK, 30);
	frame_error(frame, from.addr, to.addr, types[below(3)], &about, 28 + below(20));
}

/* Ends of datagrams in the order in which they come: the first ones are known, others are not. */
static void make_fragment(struct frame *frame, struct endpoint from, struct endpoint to)
{
	bool first = below(3) == 0;

	frame_udp(frame, from, to, 64);
	if (first)
		((struct udphdr *)frame_l4(frame))->len = htons(2000);
	frame_ip(frame)->id = htons(below(8));
	frame_ip(frame)->frag_off = htons(first ? 0x2000 : (below(2) ? 0x2000 : 0) | (1 + below(100)));
	seal_ip(frame_ip(frame));
}

/* What no table of sessions should see. */
static void make_filtered(struct frame *frame, struct endpoint from, struct endpoint to)
{
	static const char *const nobody[] = { "127.0.0.1", "0.1.2.3", "224.0.0.251", "255.255.255.255", "240.0.0.1" };
	static const __u16 types[] = { ETH_P_ARP, ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD, ETH_P_PPP_SES };

	switch (below(4)) {
	case 0:
		frame_udp(frame, at(nobody[below(5)], 68), to, 10);
		return;
	case 1:
		frame_udp(frame, from, at(nobody[below(5)], 67), 10);
		return;
	case 2:
		frame_other(frame, from.addr, to.addr, platform_random());
		return;
	default:
		frame_udp(frame, from, to, 10);
		*(__be16 *)(frame->bytes + 12) = htons(types[below(5)]);
	}
}

static void spoil(struct frame *frame)
{
	for (__u32 n = 1 + below(4); n; n--)
		frame->bytes[ETH_HLEN + below(frame->len - ETH_HLEN)] = platform_random();
	if (below(4) == 0)
		frame->len = ETH_HLEN + 1 + below(frame->len - ETH_HLEN);
	if (below(4) && frame_ip(frame)->ihl >= 5 && frame->len >= ETH_HLEN + 60)
		seal_ip(frame_ip(frame));
}

static void make(struct frame *frame, struct endpoint from, struct endpoint to, bool inbound)
{
	switch (below(16)) {
	default:
		frame_udp(frame, from, to, 20 + below(50));
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		frame_tcp(frame, from, to, platform_random() & LIFE_TCP_MASK, below(50));
		break;
	case 8:
	case 9:
		make_query(frame, from, to, inbound);
		break;
	case 10:
		make_error(frame, from, to);
		break;
	case 11:
	case 12:
		make_fragment(frame, from, to);
		break;
	case 13:
		make_filtered(frame, from, to);
	}
	if (below(8) == 0)
		spoil(frame);
	/* a test run takes nothing shorter */
	if (frame->len < ETH_HLEN + sizeof(struct ipv6hdr))
		frame->len = ETH_HLEN + sizeof(struct ipv6hdr);
}

/* ---- the balance ------------------------------------------------------------------------------------------------ */

struct balance {
	__u64 in;   /* packets that were given */
	__u64 out;  /* that went on, changed or not */
	__u64 told; /* that became an answer */
};

static void send_one(bool inbound, struct balance *balance)
{
	bool from_host = !inbound && below(4) == 0;
	struct frame frame;
	int action;

	if (inbound)
		make(&frame, remote(), external(), true);
	else
		make(&frame, from_host ? external() : internal(), remote(), false);
	action = gateway_send(&gateway, inbound ? GATEWAY_INGRESS : GATEWAY_EGRESS, &frame,
			      from_host ? FROM_HOST : FROM_INTERNAL);
	balance->in++;
	if (action == TC_ACT_UNSPEC)
		balance->out++;
	else if (action == TC_ACT_REDIRECT)
		balance->told++;
	else
		assert_int_equal(action, TC_ACT_SHOT);
}

/* Of a round of one direction: every packet counted once, those that went on as translated or passed, the others as dropped,
 * refused or held (nothing comes back to a hook here: the programs are attached nowhere); and what was told is among the refused.
 */
static void check_round(const struct balance *balance)
{
	__u64 before[NUM_REASON], verdict[NUM_VERDICT] = { 0 };

	memcpy(before, gateway.counters, sizeof(before));
	gateway_read_counters(&gateway);
	for (enum reason reason = 0; reason < NUM_REASON; reason++)
		verdict[reason_verdict(reason)] += gateway.counters[reason] - before[reason];
	assert_int_equal(verdict[VERDICT_TRANSLATED] + verdict[VERDICT_PASSED], balance->out);
	assert_int_equal(verdict[VERDICT_DROPPED] + verdict[VERDICT_REFUSED] + verdict[VERDICT_HELD],
			 balance->in - balance->out);
	assert_true(verdict[VERDICT_REFUSED] >= balance->told);
	assert_int_equal(verdict[VERDICT_DENIED], 0);
}

/* All that was dropped, and each reason that was refused, is in its ring. */
static void check_failures(void)
{
	__u64 kept[NUM_FAILURE_RING] = { 0 };

	for (enum reason reason = 0; reason < NUM_REASON; reason++)
		if (reason_is_failure(reason))
			kept[reason_failure_ring(reason)] += gateway.counters[reason];
	for (__u32 ring = 0; ring < NUM_FAILURE_RING; ring++)
		assert_int_equal(gateway.header->num_failures[ring], (__u32)kept[ring]);
}

/* Every event is told, or counted with one that is, or with one to come. */
static void check_events(__u64 num_told)
{
	__u64 num = num_told + gateway.num_suppressed, expected = 0;

	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		struct limit limit;

		if (!reason_is_event(reason))
			continue;
		gateway_read_limit(&gateway, reason, &limit);
		num += limit.suppressed;
		expected += gateway.counters[reason];
	}
	assert_int_equal(num, expected);
}

static void report(void)
{
	for (enum reason reason = 0; reason < NUM_REASON; reason++)
		if (gateway.counters[reason])
			printf("# %8llu %s\n", gateway.counters[reason], reason_text[reason].name);
}

static void books_are_balanced(void **state)
{
	int num, socket_udp, num_reasons = 0;
	__u64 num_told = 0;

	(void)state;
	gateway_reset(&gateway, RANGES);
	platform.random = chance_seed();
	num = chance_number(NUM_PACKETS, NUM_EMULATED);
	socket_udp = host_socket(SOCK_DGRAM, 40007); /* in the way of some */
	for (int done = 0, round = 0; done < num; done += ROUND, round++) {
		struct balance balance = { 0 };

		for (int i = 0; i < ROUND; i++)
			send_one(round % 2, &balance);
		check_round(&balance);
		num_told += gateway_take_events(&gateway);
		if (round % 8 == 7) {
			/* time goes by, and sessions with it */
			gateway_age(&gateway, 200);
			gateway_sweep(&gateway, SWEEP_EXPIRE);
		}
		if (round % 50 == 49)
			gateway_check(&gateway);
	}
	close(socket_udp);
	gateway_check(&gateway);
	check_failures();
	check_events(num_told);
	report();
	for (enum reason reason = 0; reason < NUM_REASON; reason++)
		num_reasons += gateway.counters[reason] != 0;
	assert_in_range(num_reasons, 30, NUM_REASON);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(books_are_balanced) };

	return gateway_run_tests(&gateway, 4096, tests, sizeof(tests) / sizeof(tests[0]));
}
