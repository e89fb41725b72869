/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Garbage: good packets with octets changed, cut, stretched and glued, through both programs. Nothing may crash, every
 * packet has one reason, nothing of the inside leaves, no checksum that was right goes out wrong, and the table is whole at
 * the end. The seed is printed; BAUTA_SEED plays it again, BAUTA_PACKETS says how many.
 */
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "answer.h"
#include "chance.h"
#include "gateway.h"
#include "reason_text.h"

#define NUM_PACKETS 100000
#define NUM_EMULATED 2000 /* a processor that is emulated takes a hundred times as long */

static struct gateway gateway;

/* Few enough of each that packets meet sessions. */
static struct endpoint internal(void)
{
	return (struct endpoint){ .addr = htonl(0xc0a80005 + below(4)), .port = htons(40000 + below(8)) };
}

static struct endpoint remote(void)
{
	return (struct endpoint){ .addr = htonl(0xc6336408 + below(3)), .port = htons(80 + below(3)) };
}

static struct endpoint external(void)
{
	return at(EXTERNAL, 40000 + below(12));
}

static void make_good(struct frame *frame, struct endpoint from, struct endpoint to, bool inbound)
{
	static const __u8 errors[] = { ICMP_TYPE_UNREACHABLE, ICMP_TYPE_TIME_EXCEEDED, ICMP_TYPE_PARAMETER_PROBLEM };
	struct frame about;

	switch (below(6)) {
	case 0:
		frame_udp(frame, from, to, below(200));
		return;
	case 1:
		frame_tcp(frame, from, to, platform_random() & LIFE_TCP_MASK, below(200));
		return;
	case 2:
		frame_icmp(frame, from.addr, to.addr, inbound ? ICMP_TYPE_ECHO_REPLY : ICMP_TYPE_ECHO,
			   40000 + below(12));
		return;
	case 3:
		frame_icmp(frame, from.addr, to.addr, platform_random(), below(100));
		return;
	case 4:
		frame_other(frame, from.addr, to.addr, platform_random());
		return;
	default:
		if (below(2))
			frame_udp(&about, to, from, 30);
		else
			frame_tcp(&about, to, from, LIFE_ACK, 30);
		frame_error(frame, from.addr, to.addr, errors[below(3)], &about, 28 + below(20));
		return;
	}
}

/* One thing wrong, of all levels. */
static void spoil(struct frame *frame)
{
	struct iphdr *ip = frame_ip(frame);

	switch (below(10)) {
	case 0:
		frame->len = ETH_HLEN + 1 + below(frame->len - ETH_HLEN);
		break;
	case 1: /* longer than it says */
		frame->len += below(100);
		break;
	case 2:
		ip->tot_len = htons(below(2 * frame->len));
		break;
	case 3:
		ip->ihl = below(16);
		break;
	case 4:
		ip->frag_off = htons(platform_random());
		break;
	case 5:
		if (frame->len > ETH_HLEN + sizeof(*ip) && frame->len < 400 && ip->ihl == 5)
			frame_add_options(frame, below(11));
		break;
	case 6:
		if (below(8) == 0)
			frame->bytes[12 + below(2)] = platform_random();
		break;
	default:
		for (__u32 n = 1 + below(8); n; n--)
			frame->bytes[ETH_HLEN + below(frame->len - ETH_HLEN)] = platform_random();
	}
}

static bool has_transport(struct frame *frame)
{
	__u32 len = frame_ip_len(frame) - frame_ip(frame)->ihl * 4;

	return frame_is_whole(frame) && len >= (frame_ip(frame)->protocol == IPPROTO_TCP ? 20 : 8);
}

static void judge_translated(struct frame *before, struct frame *after, struct outcome outcome)
{
	bool inbound = outcome.reason == TRANSLATED_INBOUND || outcome.reason == TRANSLATED_ACCEPTED ||
		       outcome.reason == TRANSLATED_ERROR_INBOUND;

	assert_int_equal(after->len, before->len);
	assert_true(ip_checksum_is_right(frame_ip(after)));
	if (inbound)
		assert_int_equal(frame_ip(after)->saddr, frame_ip(before)->saddr);
	else
		assert_int_equal(frame_ip(after)->saddr, inet_addr(EXTERNAL));
	if (has_transport(before) && transport_checksum_is_right(frame_ip(before), frame_l4(before)))
		assert_true(transport_checksum_is_right(frame_ip(after), frame_l4(after)));
}

static void judge(struct frame *before, struct frame *after, struct outcome outcome)
{
	switch (reason_verdict(outcome.reason)) {
	case VERDICT_TRANSLATED:
		judge_translated(before, after, outcome);
		return;
	case VERDICT_PASSED:
		assert_true(frame_equal(before, after));
		assert_int_not_equal(outcome.action, TC_ACT_SHOT);
		return;
	case VERDICT_DROPPED:
		assert_int_equal(outcome.action, TC_ACT_SHOT);
		return;
	case VERDICT_HELD:
	case VERDICT_REFUSED:
	case VERDICT_DENIED:
	case NUM_VERDICT:
		break;
	}
	if (outcome.action == TC_ACT_REDIRECT)
		check_error(before, after, inet_addr(GATEWAY_ADDR),
			    reason_icmp_code(outcome.reason, ICMP_HOST_UNREACHABLE));
	else
		assert_int_equal(outcome.action, TC_ACT_SHOT);
}

/* What is forwarded and goes on has our address, whatever it was; else it is none of ours: no IPv4 as far as we look. */
static void judge_hidden(struct frame *after, struct outcome outcome)
{
	if (outcome.action == TC_ACT_SHOT || outcome.action == TC_ACT_REDIRECT)
		return;
	if (reason_verdict(outcome.reason) != VERDICT_TRANSLATED)
		assert_in_range(outcome.reason, PASSED_ARP, PASSED_OTHER_ETHERTYPE);
	else
		assert_int_equal(frame_ip(after)->saddr, inet_addr(EXTERNAL));
}

static void send_one(void)
{
	bool inbound = below(2), from_host = below(8) == 0;
	struct frame before = { 0 }, after;
	struct outcome outcome;

	if (inbound)
		make_good(&before, remote(), external(), true);
	else
		make_good(&before, from_host ? external() : internal(), remote(), false);
	for (__u32 n = below(3); n; n--)
		spoil(&before);
	/* so that it is not always the first check that finds it */
	if (below(4) && frame_ip(&before)->ihl >= 5 && before.len > ETH_HLEN + 60)
		seal_ip(frame_ip(&before));
	/* a test run takes nothing shorter */
	if (before.len < ETH_HLEN + sizeof(struct ipv6hdr))
		before.len = ETH_HLEN + sizeof(struct ipv6hdr);
	after = before;
	if (inbound) {
		outcome = gateway_ingress(&gateway, &after, 0);
	} else {
		outcome = gateway_egress(&gateway, &after, from_host ? FROM_HOST : FROM_INTERNAL);
		if (!from_host)
			judge_hidden(&after, outcome);
	}
	if (!from_host)
		judge(&before, &after, outcome);
}

static void survives_garbage(void **state)
{
	int num, num_reasons = 0;

	(void)state;
	gateway_reset(&gateway, "40000-40011");
	platform.random = chance_seed();
	num = chance_number(NUM_PACKETS, NUM_EMULATED);
	for (int i = 0; i < num; i++) {
		send_one();
		if (i % 5000 == 4999) {
			/* time goes by, and sessions with it */
			gateway_age(&gateway, 200);
			gateway_sweep(&gateway, SWEEP_EXPIRE);
			gateway_check(&gateway);
		}
	}
	gateway_check(&gateway);
	for (int i = 0; i < NUM_REASON; i++) {
		if (!gateway.counters[i])
			continue;
		num_reasons++;
		printf("# %8llu %s\n", gateway.counters[i], reason_text[i].name);
	}
	assert_true(num_reasons >= 15);
	gateway_sweep(&gateway, SWEEP_FLUSH);
	assert_true(gateway_is_empty(&gateway));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(survives_garbage) };

	return gateway_run_tests(&gateway, 4096, tests, sizeof(tests) / sizeof(tests[0]));
}
