/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames through the xdp program: those of sessions are what tc would have made of them, and all else goes up to the stack. */
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fast.h"
#include "packet.h"
#include "wires.h"

static struct gateway gateway;
static struct fast fast;

/* ---- sessions ------------------------------------------------------------------------------------------------- */

/* The internal host's packets to the remote, of each protocol. */
static void make_packet(struct frame *frame, __u8 proto, const char *internal)
{
	if (proto == IPPROTO_TCP)
		frame_tcp(frame, at(internal, 40003), at(REMOTE, 80), LIFE_ACK, 100);
	else if (proto == IPPROTO_UDP)
		frame_udp(frame, at(internal, 40003), at(REMOTE, 53), 101);
	else
		frame_icmp(frame, inet_addr(internal), inet_addr(REMOTE), ICMP_TYPE_ECHO, 77);
}

/* And the remote's answer, as it arrives at the external interface. */
static void make_answer(struct frame *frame, __u8 proto)
{
	make_packet(frame, proto, EXTERNAL);
	frame_reverse(frame);
}

/* Begins the session of make_packet() at tc. */
static void begin(__u8 proto, const char *internal)
{
	struct frame frame;

	make_packet(&frame, proto, internal);
	assert_int_equal(gateway_egress(&gateway, &frame, FROM_INTERNAL).reason, TRANSLATED_NEW);
}

static void reset(void)
{
	gateway_reset(&gateway, "40000-40009");
	fast_new_generation(&fast);
}

/* What tc makes of a packet, one hop further. */
static void through_tc(struct frame *frame, bool inbound)
{
	if (inbound)
		assert_int_equal(gateway_ingress(&gateway, frame, 0).reason, TRANSLATED_INBOUND);
	else
		assert_int_equal(gateway_egress(&gateway, frame, FROM_INTERNAL).reason, TRANSLATED_OUTBOUND);
	frame_ip(frame)->ttl--;
	seal_ip(frame_ip(frame));
}

/* Gives a packet to both: the same octets come out, but for the link header. */
static void assert_as_tc(const struct frame *sent, bool inbound)
{
	struct frame by_tc = *sent, by_xdp = *sent;
	struct fast_outcome outcome = fast_run(&fast, &by_xdp, inbound ? fast.outside : fast.inside);

	assert_int_equal(outcome.reason, inbound ? FAST_INBOUND : FAST_OUTBOUND);
	assert_int_equal(outcome.action, XDP_REDIRECT);
	assert_true(inbound ? frame_has_macs(&by_xdp, INTERNAL_MAC, INSIDE_MAC)
			    : frame_has_macs(&by_xdp, ROUTER_MAC, OUTSIDE_MAC));
	through_tc(&by_tc, inbound);
	memcpy(by_tc.bytes, by_xdp.bytes, 2 * MAC_LEN);
	if (!(frame_ip(&by_tc)->frag_off & htons(IP_DF)) && !inbound) {
		/* each has an identification of its own */
		assert_int_not_equal(frame_ip(&by_tc)->id, frame_ip(&by_xdp)->id);
		frame_ip(&by_tc)->id = frame_ip(&by_xdp)->id;
		seal_ip(frame_ip(&by_tc));
	}
	assert_true(frame_is_sound(&by_xdp));
	assert_true(frame_equal(&by_tc, &by_xdp));
}

static const __u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };

#define NUM_PROTO (sizeof(protos) / sizeof(protos[0]))

static void translates_as_tc_does(void **state)
{
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < NUM_PROTO; i++) {
		reset();
		begin(protos[i], INTERNAL);
		for (int turn = 0; turn < 2; turn++) { /* the second time the next hop is known */
			make_packet(&frame, protos[i], INTERNAL);
			assert_as_tc(&frame, false);
			make_answer(&frame, protos[i]);
			assert_as_tc(&frame, true);
		}
		gateway_check(&gateway);
	}
}

/* Checksums that come out as the two zeros: each value of a word that is part of the sum is tried. */
static void sums_as_tc_does(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	begin(IPPROTO_UDP, INTERNAL);
	for (__u32 i = 0; i < 0x10000; i += 0x55) {
		make_packet(&frame, IPPROTO_UDP, INTERNAL);
		*((__be16 *)frame_l4(&frame) + 4) = htons(i);
		frame_seal(&frame);
		assert_as_tc(&frame, false);
	}
}

static void leaves_no_checksum(void **state)
{
	struct udphdr *udp;
	struct frame frame;

	(void)state;
	reset();
	begin(IPPROTO_UDP, INTERNAL);
	make_packet(&frame, IPPROTO_UDP, INTERNAL);
	udp = frame_l4(&frame);
	udp->check = 0;
	assert_as_tc(&frame, false);
	fast_run(&fast, &frame, fast.inside);
	assert_int_equal(udp->check, 0);
}

static void numbers_what_may_be_cut(void **state)
{
	struct frame frame;
	__be16 id[3];

	(void)state;
	reset();
	begin(IPPROTO_UDP, INTERNAL);
	for (int i = 0; i < 3; i++) {
		make_packet(&frame, IPPROTO_UDP, INTERNAL);
		frame_ip(&frame)->frag_off = 0;
		frame_seal(&frame);
		assert_as_tc(&frame, false);
		assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);
		id[i] = frame_ip(&frame)->id;
		assert_true(frame_is_sound(&frame));
	}
	assert_true(id[0] != id[1] && id[1] != id[2] && id[0] != id[2]);
}

/* ---- VLANs ---------------------------------------------------------------------------------------------------- */

/* The number of the tag that a packet through a session of `proto` comes out with, each way; -1: none. */
static void assert_tags(__u8 proto, const char *internal, int inside, int outside)
{
	struct frame frame, plain;

	make_packet(&plain, proto, internal);
	frame = plain;
	if (inside >= 0)
		frame_tag(&frame, ETH_P_8021Q, inside | 0x6000); /* with a priority */
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);
	assert_true(frame_has_macs(&frame, ROUTER_MAC, OUTSIDE_MAC));
	assert_int_equal(frame_untag(&frame), outside);
	through_tc(&plain, false);
	memcpy(plain.bytes, frame.bytes, 2 * MAC_LEN);
	assert_true(frame_equal(&frame, &plain));

	make_answer(&plain, proto);
	frame = plain;
	if (outside >= 0)
		frame_tag(&frame, ETH_P_8021Q, outside);
	assert_int_equal(fast_run(&fast, &frame, fast.outside).reason, FAST_INBOUND);
	assert_true(frame_has_macs(&frame, INTERNAL_MAC, INSIDE_MAC));
	assert_int_equal(frame_untag(&frame), inside);
	through_tc(&plain, true);
	memcpy(plain.bytes, frame.bytes, 2 * MAC_LEN);
	assert_true(frame_equal(&frame, &plain));
}

static void takes_tags_off_and_puts_them_on(void **state)
{
	struct fast tagged;

	(void)state;
	for (size_t i = 0; i < NUM_PROTO; i++) {
		reset();
		begin(protos[i], VLAN_INTERNAL);
		assert_tags(protos[i], VLAN_INTERNAL, INSIDE_VLAN_ID, -1);
	}
	fast_close(&fast);
	fast_open(&tagged, &gateway, OUTSIDE_VLAN);
	fast = tagged;
	for (size_t i = 0; i < NUM_PROTO; i++) {
		reset();
		begin(protos[i], INTERNAL);
		assert_tags(protos[i], INTERNAL, -1, OUTSIDE_VLAN_ID);
		reset();
		begin(protos[i], VLAN_INTERNAL);
		assert_tags(protos[i], VLAN_INTERNAL, INSIDE_VLAN_ID, OUTSIDE_VLAN_ID);
	}
	fast_close(&fast);
	fast_open(&fast, &gateway, OUTSIDE);
}

/* ---- what goes up ----------------------------------------------------------------------------------------------- */

static void assert_up(struct frame *frame, __u32 ifindex, enum fast_reason reason)
{
	struct fast_outcome outcome = fast_run(&fast, frame, ifindex);

	assert_int_equal(outcome.reason, reason);
	assert_int_equal(outcome.action, XDP_PASS);
}

static void leaves_other_frames(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	begin(IPPROTO_UDP, INTERNAL);
	make_packet(&frame, IPPROTO_UDP, INTERNAL);
	*(__be16 *)(frame.bytes + 2 * MAC_LEN) = htons(ETH_P_ARP);
	assert_up(&frame, fast.inside, FAST_UP_PROTOCOL);
	*(__be16 *)(frame.bytes + 2 * MAC_LEN) = htons(ETH_P_IPV6);
	assert_up(&frame, fast.inside, FAST_UP_PROTOCOL);
	make_packet(&frame, IPPROTO_UDP, INTERNAL);
	frame_tag(&frame, ETH_P_8021Q, INSIDE_VLAN_ID + 1);
	assert_up(&frame, fast.inside, FAST_UP_LINK);
	frame_untag(&frame);
	frame_tag(&frame, ETH_P_8021Q, INSIDE_VLAN_ID);
	frame_tag(&frame, ETH_P_8021AD, INSIDE_VLAN_ID);
	assert_up(&frame, fast.inside, FAST_UP_PROTOCOL);
	make_packet(&frame, IPPROTO_UDP, INTERNAL);
	assert_up(&frame, 1, FAST_UP_LINK); /* lo is no interface of the fast path */
}

static void leaves_frames_of_others(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	begin(IPPROTO_UDP, INTERNAL);
	for (int i = 0; i < MAC_LEN; i++) {
		struct fast_outcome outcome;

		make_packet(&frame, IPPROTO_UDP, INTERNAL);
		fast_address(&frame, INSIDE_MAC);
		frame.bytes[i] ^= 1;
		outcome = fast_run_as_it_is(&fast, &frame, fast.inside);
		assert_int_equal(outcome.reason, FAST_UP_LINK);
		assert_int_equal(outcome.action, XDP_PASS);
	}
}

static void leaves_what_needs_more(void **state)
{
	struct frame frame;
	struct iphdr *ip = frame_ip(&frame);

	(void)state;
	reset();
	begin(IPPROTO_TCP, INTERNAL);
	begin(IPPROTO_UDP, INTERNAL);

	make_packet(&frame, IPPROTO_UDP, INTERNAL);
	ip->frag_off = htons(IP_MF);
	seal_ip(ip);
	assert_up(&frame, fast.inside, FAST_UP_FRAGMENT);
	ip->frag_off = htons(10);
	seal_ip(ip);
	assert_up(&frame, fast.inside, FAST_UP_FRAGMENT);

	make_packet(&frame, IPPROTO_UDP, INTERNAL);
	frame_add_options(&frame, 1);
	assert_up(&frame, fast.inside, FAST_UP_HEADER);

	make_packet(&frame, IPPROTO_UDP, INTERNAL);
	ip->check ^= 1;
	assert_up(&frame, fast.inside, FAST_UP_HEADER);

	make_packet(&frame, IPPROTO_UDP, INTERNAL);
	((struct udphdr *)frame_l4(&frame))->len = htons(4);
	assert_up(&frame, fast.inside, FAST_UP_HEADER);

	/* octets behind the packet, which the stack cuts off; those of a short frame, which Ethernet fills up, go along */
	make_packet(&frame, IPPROTO_UDP, INTERNAL);
	frame.len++;
	assert_up(&frame, fast.inside, FAST_UP_HEADER);
	frame_udp(&frame, at(INTERNAL, 40003), at(REMOTE, 53), 1);
	frame.len = ETH_ZLEN;
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);

	for (__u32 flags = 0; flags <= LIFE_TCP_MASK; flags += LIFE_SYN) {
		frame_tcp(&frame, at(INTERNAL, 40003), at(REMOTE, 80), flags, 0);
		if (flags & LIFE_SYN)
			assert_up(&frame, fast.inside, FAST_UP_SYN);
		else
			assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);
	}

	for (__u8 ttl = 0; ttl < 3; ttl++) {
		make_packet(&frame, IPPROTO_TCP, INTERNAL);
		ip->ttl = ttl;
		seal_ip(ip);
		if (ttl > 1)
			assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);
		else
			assert_up(&frame, fast.inside, FAST_UP_HOPS);
	}

	frame_other(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), IPPROTO_GRE);
	assert_up(&frame, fast.inside, FAST_UP_PROTOCOL);
	gateway_check(&gateway);
}

/* Replies go in, and queries out; errors, and queries of ourselves, are for tc. */
static void leaves_other_icmp(void **state)
{
	struct frame frame, about;

	(void)state;
	reset();
	begin(IPPROTO_ICMP, INTERNAL);
	begin(IPPROTO_UDP, INTERNAL);
	frame_icmp(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO_REPLY, 77);
	assert_up(&frame, fast.inside, FAST_UP_PROTOCOL);
	frame_icmp(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_ECHO, 77);
	assert_up(&frame, fast.outside, FAST_UP_PROTOCOL);
	make_packet(&about, IPPROTO_UDP, EXTERNAL);
	frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
	assert_up(&frame, fast.outside, FAST_UP_PROTOCOL);
}

/* The sender left the sum to its device: what stands there is that of the pseudo header. */
static void leaves_partial_checksums(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	begin(IPPROTO_TCP, INTERNAL);
	begin(IPPROTO_UDP, INTERNAL);
	for (size_t i = 0; i < 2; i++) {
		make_packet(&frame, protos[i], INTERNAL);
		*transport_checksum(protos[i], frame_l4(&frame)) =
			htons(sum_pseudo_header(frame_ip(&frame), frame_ip_len(&frame) - sizeof(struct iphdr)));
		assert_up(&frame, fast.inside, FAST_UP_CHECKSUM);
	}
}

static void leaves_what_has_no_session(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	for (size_t i = 0; i < NUM_PROTO; i++) {
		make_packet(&frame, protos[i], INTERNAL);
		assert_up(&frame, fast.inside, FAST_UP_NO_SESSION);
		make_answer(&frame, protos[i]);
		assert_up(&frame, fast.outside, FAST_UP_NO_SESSION);
	}
	assert_true(gateway_is_empty(&gateway));

	/* a mapping stands in the table under the remote 0.0.0.0:0, which a forged packet might have */
	begin(IPPROTO_UDP, INTERNAL);
	frame_udp(&frame, at("0.0.0.0", 0), at(EXTERNAL, 40003), 10);
	assert_up(&frame, fast.outside, FAST_UP_NO_SESSION);
	frame_udp(&frame, at(INTERNAL, 40003), at("0.0.0.0", 0), 10);
	assert_up(&frame, fast.inside, FAST_UP_NO_SESSION);
	gateway_check(&gateway);
}

/* A host that uses the address of another, in another network of the inside: the reverse-path filter is the stack's. */
static void leaves_what_came_by_another_way(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	begin(IPPROTO_TCP, INTERNAL);
	begin(IPPROTO_TCP, VLAN_INTERNAL);
	for (int known = 0; known < 2; known++) {
		make_packet(&frame, IPPROTO_TCP, INTERNAL);
		frame_tag(&frame, ETH_P_8021Q, INSIDE_VLAN_ID);
		assert_up(&frame, fast.inside, FAST_UP_SOURCE);
		make_packet(&frame, IPPROTO_TCP, VLAN_INTERNAL);
		assert_up(&frame, fast.inside, FAST_UP_SOURCE);

		make_packet(&frame, IPPROTO_TCP, INTERNAL);
		assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);
		make_packet(&frame, IPPROTO_TCP, VLAN_INTERNAL);
		frame_tag(&frame, ETH_P_8021Q, INSIDE_VLAN_ID);
		assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);
	}
}

static void leaves_what_has_no_way(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	begin(IPPROTO_TCP, INTERNAL);
	wires_ip("route add unreachable " REMOTE "/32");
	make_packet(&frame, IPPROTO_TCP, INTERNAL);
	assert_up(&frame, fast.inside, FAST_UP_ROUTE);
	/* back inside, where it came from: there it would not be translated */
	wires_ip("route replace " REMOTE "/32 via " INTERNAL);
	make_packet(&frame, IPPROTO_TCP, INTERNAL);
	assert_up(&frame, fast.inside, FAST_UP_ROUTE);
	wires_ip("route del " REMOTE "/32");
	make_packet(&frame, IPPROTO_TCP, INTERNAL);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);

	/* what was found is believed while the generation lasts */
	wires_ip("route add unreachable " REMOTE "/32");
	make_packet(&frame, IPPROTO_TCP, INTERNAL);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);
	fast_new_generation(&fast);
	make_packet(&frame, IPPROTO_TCP, INTERNAL);
	assert_up(&frame, fast.inside, FAST_UP_ROUTE);
	wires_ip("route del " REMOTE "/32");

	fast_new_generation(&fast);
	wires_ip("neighbour del " INTERNAL " dev " INSIDE);
	make_answer(&frame, IPPROTO_TCP);
	assert_up(&frame, fast.outside, FAST_UP_NEIGHBOUR);
	wires_ip("neighbour add " INTERNAL " lladdr " INTERNAL_MAC " nud permanent dev " INSIDE);
	make_answer(&frame, IPPROTO_TCP);
	assert_int_equal(fast_run(&fast, &frame, fast.outside).reason, FAST_INBOUND);
	gateway_check(&gateway);
}

static void leaves_all_while_nobody_watches(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	begin(IPPROTO_TCP, INTERNAL);
	for (int turn = 0; turn < 2; turn++) {
		fast_watch(&fast, false);
		make_packet(&frame, IPPROTO_TCP, INTERNAL);
		assert_up(&frame, fast.inside, FAST_UP_UNWATCHED);
		fast_watch(&fast, true);
		make_packet(&frame, IPPROTO_TCP, INTERNAL);
		assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);
	}
}

/* To the last octet. */
static void leaves_what_is_too_big(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	begin(IPPROTO_UDP, INTERNAL);
	wires_ip("link set " OUTSIDE " mtu 1400");
	for (__u32 len = 1400; len <= 1401; len++) {
		frame_udp(&frame, at(INTERNAL, 40003), at(REMOTE, 53),
			  len - sizeof(struct iphdr) - sizeof(struct udphdr));
		if (len > 1400)
			assert_up(&frame, fast.inside, FAST_UP_TOO_BIG);
		else
			assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_OUTBOUND);
	}
	wires_ip("link set " OUTSIDE " mtu 1500");
	wires_ip("route replace default via " ROUTER_ADDR " dev " OUTSIDE);
	gateway_check(&gateway);
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

static int open_all(void **state)
{
	(void)state;
	gateway_open(&gateway, ETH_HLEN, 1024);
	fast_open(&fast, &gateway, OUTSIDE);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	fast_close(&fast);
	gateway_close(&gateway);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(translates_as_tc_does),
		cmocka_unit_test(sums_as_tc_does),
		cmocka_unit_test(leaves_no_checksum),
		cmocka_unit_test(numbers_what_may_be_cut),
		cmocka_unit_test(takes_tags_off_and_puts_them_on),
		cmocka_unit_test(leaves_other_frames),
		cmocka_unit_test(leaves_frames_of_others),
		cmocka_unit_test(leaves_what_needs_more),
		cmocka_unit_test(leaves_other_icmp),
		cmocka_unit_test(leaves_partial_checksums),
		cmocka_unit_test(leaves_what_has_no_session),
		cmocka_unit_test(leaves_what_came_by_another_way),
		cmocka_unit_test(leaves_what_has_no_way),
		cmocka_unit_test(leaves_all_while_nobody_watches),
		cmocka_unit_test(leaves_what_is_too_big),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
