/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a packet: a decision for every kind of it, from inside, from the host, from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"

#define ROUTER "192.168.0.1" /* the host's address inside */
#define ANY "0.0.0.0"

static struct gateway gateway;

/* Reasons that came up; the last test asks for all that the translator gives. */
static bool seen[NUM_REASON];

static enum reason see(enum reason reason)
{
	seen[reason] = true;
	return reason;
}

static enum reason outbound(struct frame *frame)
{
	return see(gateway_outbound(&gateway, frame, ORIGIN_FORWARDED));
}

static enum reason outbound_host(struct frame *frame)
{
	return see(gateway_outbound(&gateway, frame, ORIGIN_HOST));
}

static enum reason inbound(struct frame *frame)
{
	return see(gateway_inbound(&gateway, frame));
}

static void open_gateway(const char *ranges)
{
	gateway_open(&gateway, ranges, 256);
}

/* A packet that is decided on without a session; the same numbers for all kinds. */
struct letter {
	const char *name;
	const char *src;
	const char *dst;
	__u8 proto; /* of ICMP, type */
	__u8 type;
	__u16 frag_off;
	enum reason reason;
};

static void make_letter(struct frame *frame, const struct letter *letter)
{
	if (letter->proto == IPPROTO_TCP)
		frame_tcp(frame, at(letter->src, 40000), at(letter->dst, 80), letter->type, 0);
	else if (letter->proto == IPPROTO_UDP)
		frame_udp(frame, at(letter->src, 40000), at(letter->dst, 53), 0);
	else if (letter->proto == IPPROTO_ICMP)
		frame_icmp(frame, inet_addr(letter->src), inet_addr(letter->dst), letter->type, 77);
	else
		frame_other(frame, inet_addr(letter->src), inet_addr(letter->dst), letter->proto);
	frame_ip(frame)->frag_off = htons(letter->frag_off ? letter->frag_off : IP_DF);
	seal_ip(frame_ip(frame));
}

static void decide(const struct letter *letters, size_t num, enum reason (*give)(struct frame *frame))
{
	for (size_t i = 0; i < num; i++) {
		struct frame frame, sent;
		enum reason reason;

		open_gateway("40000-40009");
		make_letter(&frame, &letters[i]);
		/* no letter is a fragment of another */
		frame_ip(&frame)->id = htons(i);
		seal_ip(frame_ip(&frame));
		sent = frame;
		reason = give(&frame);
		if (reason != letters[i].reason)
			fail_msg("%s: reason %d", letters[i].name, reason);
		if (reason_verdict(reason) != VERDICT_TRANSLATED) {
			assert_true(frame_equal(&frame, &sent));
			assert_true(world_is_empty(&gateway.world));
		}
		gateway_close(&gateway);
	}
}

#define DECIDE(letters, give) decide(letters, sizeof(letters) / sizeof((letters)[0]), give)

static void decides_on_what_comes_from_inside(void **state)
{
	static const struct letter letters[] = {
		{ "TCP", INTERNAL, REMOTE, IPPROTO_TCP, LIFE_SYN, 0, TRANSLATED_NEW },
		{ "TCP, on its way already", INTERNAL, REMOTE, IPPROTO_TCP, LIFE_ACK, IP_DF, TRANSLATED_NEW },
		{ "TCP reset", INTERNAL, REMOTE, IPPROTO_TCP, LIFE_RST | LIFE_ACK, 0, DROPPED_NO_SESSION },
		{ "first fragment", INTERNAL, REMOTE, IPPROTO_UDP, 0, IP_MF, TRANSLATED_NEW },
		{ "later fragment", INTERNAL, REMOTE, IPPROTO_UDP, 0, 100, HELD_FRAGMENT },
		{ "echo", INTERNAL, REMOTE, IPPROTO_ICMP, ICMP_TYPE_ECHO, 0, TRANSLATED_NEW },
		{ "timestamp", INTERNAL, REMOTE, IPPROTO_ICMP, ICMP_TYPE_TIMESTAMP, 0, TRANSLATED_NEW },
		{ "echo reply", INTERNAL, REMOTE, IPPROTO_ICMP, ICMP_TYPE_ECHO_REPLY, 0, DROPPED_NO_SESSION },
		{ "source quench", INTERNAL, REMOTE, IPPROTO_ICMP, ICMP_TYPE_SOURCE_QUENCH, 0, DROPPED_ICMP_TYPE },
		{ "redirect", INTERNAL, REMOTE, IPPROTO_ICMP, 5, 0, DROPPED_ICMP_TYPE },
		{ "GRE", INTERNAL, REMOTE, IPPROTO_GRE, 0, 0, REFUSED_PROTOCOL },
		{ "SCTP", INTERNAL, REMOTE, IPPROTO_SCTP, 0, 0, REFUSED_PROTOCOL },
		{ "later fragment of GRE", INTERNAL, REMOTE, IPPROTO_GRE, 0, 100, HELD_FRAGMENT },
		{ "multicast", INTERNAL, "239.1.2.3", IPPROTO_UDP, 0, 0, DROPPED_MULTICAST },
		{ "IGMP", INTERNAL, "224.0.0.22", IPPROTO_IGMP, 0, 0, DROPPED_MULTICAST },
		{ "broadcast", INTERNAL, "255.255.255.255", IPPROTO_UDP, 0, 0, DROPPED_MULTICAST },
		{ "from nowhere", ANY, REMOTE, IPPROTO_UDP, 0, 0, DROPPED_MARTIAN },
		{ "from 0/8", "0.1.2.3", REMOTE, IPPROTO_TCP, LIFE_SYN, 0, DROPPED_MARTIAN },
		{ "from 127/8", "127.0.0.1", REMOTE, IPPROTO_TCP, LIFE_SYN, 0, DROPPED_MARTIAN },
		{ "from class E", "240.0.0.1", REMOTE, IPPROTO_UDP, 0, 0, DROPPED_MARTIAN },
		{ "from multicast", "224.0.0.1", REMOTE, IPPROTO_UDP, 0, 0, DROPPED_MARTIAN },
		{ "to 0/8", INTERNAL, "0.0.0.0", IPPROTO_UDP, 0, 0, DROPPED_MARTIAN },
		{ "to 127/8", INTERNAL, "127.0.0.1", IPPROTO_UDP, 0, 0, DROPPED_MARTIAN },
		{ "to class E", INTERNAL, "250.0.0.1", IPPROTO_UDP, 0, 0, DROPPED_MARTIAN },
		{ "as if from us", EXTERNAL, REMOTE, IPPROTO_UDP, 0, 0, DROPPED_MARTIAN },
	};

	(void)state;
	DECIDE(letters, outbound);
}

static void decides_on_what_comes_from_the_host(void **state)
{
	static const struct letter letters[] = {
		{ "TCP", EXTERNAL, REMOTE, IPPROTO_TCP, LIFE_SYN, 0, PASSED_HOST },
		{ "TCP reset", EXTERNAL, REMOTE, IPPROTO_TCP, LIFE_RST, 0, PASSED_HOST },
		{ "UDP", EXTERNAL, REMOTE, IPPROTO_UDP, 0, 0, PASSED_HOST },
		{ "later fragment", EXTERNAL, REMOTE, IPPROTO_UDP, 0, 100, HELD_FRAGMENT },
		{ "later fragment of ESP", EXTERNAL, REMOTE, IPPROTO_ESP, 0, 100, PASSED_HOST_FRAGMENT },
		{ "echo", EXTERNAL, REMOTE, IPPROTO_ICMP, ICMP_TYPE_ECHO, 0, TRANSLATED_NEW },
		{ "echo reply", EXTERNAL, REMOTE, IPPROTO_ICMP, ICMP_TYPE_ECHO_REPLY, 0, PASSED_HOST },
		{ "redirect", EXTERNAL, REMOTE, IPPROTO_ICMP, 5, 0, PASSED_HOST },
		{ "source quench", EXTERNAL, REMOTE, IPPROTO_ICMP, ICMP_TYPE_SOURCE_QUENCH, 0, PASSED_HOST },
		{ "OSPF to a router", EXTERNAL, REMOTE, 89, 0, 0, PASSED_HOST_PROTOCOL },
		{ "ESP", EXTERNAL, REMOTE, IPPROTO_ESP, 0, 0, PASSED_HOST_PROTOCOL },
		{ "OSPF", EXTERNAL, "224.0.0.5", 89, 0, 0, PASSED_MULTICAST },
		{ "IGMP", EXTERNAL, "224.0.0.22", IPPROTO_IGMP, 0, 0, PASSED_MULTICAST },
		{ "DHCP", ANY, "255.255.255.255", IPPROTO_UDP, 0, 0, PASSED_UNSPECIFIED },
		{ "ping to nowhere", EXTERNAL, ANY, IPPROTO_ICMP, ICMP_TYPE_ECHO, 0, PASSED_UNSPECIFIED },
		{ "DHCP, once bound", EXTERNAL, "255.255.255.255", IPPROTO_UDP, 0, 0, PASSED_BROADCAST },
		{ "from inside's address", ROUTER, REMOTE, IPPROTO_UDP, 0, 0, TRANSLATED_NEW },
	};

	(void)state;
	DECIDE(letters, outbound_host);
}

static void decides_on_what_comes_from_outside(void **state)
{
	static const struct letter letters[] = {
		{ "TCP", REMOTE, EXTERNAL, IPPROTO_TCP, LIFE_SYN, 0, PASSED_NO_SESSION },
		{ "UDP", REMOTE, EXTERNAL, IPPROTO_UDP, 0, 0, PASSED_NO_SESSION },
		{ "first fragment", REMOTE, EXTERNAL, IPPROTO_UDP, 0, IP_MF, PASSED_NO_SESSION },
		{ "later fragment", REMOTE, EXTERNAL, IPPROTO_UDP, 0, 100, HELD_FRAGMENT },
		{ "later fragment of ESP", REMOTE, EXTERNAL, IPPROTO_ESP, 0, 100, PASSED_HOST_FRAGMENT },
		{ "echo", REMOTE, EXTERNAL, IPPROTO_ICMP, ICMP_TYPE_ECHO, 0, PASSED_HOST },
		{ "echo reply", REMOTE, EXTERNAL, IPPROTO_ICMP, ICMP_TYPE_ECHO_REPLY, 0, PASSED_NO_SESSION },
		{ "redirect", REMOTE, EXTERNAL, IPPROTO_ICMP, 5, 0, PASSED_HOST },
		{ "source quench", REMOTE, EXTERNAL, IPPROTO_ICMP, ICMP_TYPE_SOURCE_QUENCH, 0, DROPPED_ICMP_TYPE },
		{ "ESP", REMOTE, EXTERNAL, IPPROTO_ESP, 0, 0, PASSED_HOST_PROTOCOL },
		{ "for somebody else", REMOTE, INTERNAL, IPPROTO_UDP, 0, 0, PASSED_NOT_EXTERNAL },
		{ "broadcast on the link", REMOTE, "192.0.2.255", IPPROTO_UDP, 0, 0, PASSED_NOT_EXTERNAL },
		{ "multicast", REMOTE, "224.0.0.5", 89, 0, 0, PASSED_MULTICAST },
		{ "broadcast", REMOTE, "255.255.255.255", IPPROTO_UDP, 0, 0, PASSED_BROADCAST },
		{ "a DHCP client", ANY, "255.255.255.255", IPPROTO_UDP, 0, 0, PASSED_BROADCAST },
		{ "from nowhere", ANY, EXTERNAL, IPPROTO_UDP, 0, 0, DROPPED_MARTIAN },
		{ "from 127/8", "127.0.0.1", EXTERNAL, IPPROTO_TCP, LIFE_SYN, 0, DROPPED_MARTIAN },
		{ "from multicast", "224.0.0.1", EXTERNAL, IPPROTO_UDP, 0, 0, DROPPED_MARTIAN },
	};

	(void)state;
	DECIDE(letters, inbound);
}

/* --internal: what is forwarded from elsewhere is routed, not masqueraded. */
static void narrows_to_prefixes(void **state)
{
	struct frame frame, sent;

	(void)state;
	open_gateway("40000-40009");
	gateway.world.config.num_internal = 2;
	gateway.world.config.internal[0] = (struct prefix){ inet_addr("10.0.0.0"), inet_addr("255.0.0.0") };
	gateway.world.config.internal[1] = (struct prefix){ inet_addr("192.168.0.4"), inet_addr("255.255.255.254") };
	frame_udp(&frame, at("192.168.0.5", 1), at(REMOTE, 53), 0);
	assert_int_equal(outbound(&frame), TRANSLATED_NEW);
	frame_udp(&frame, at("192.168.0.6", 1), at(REMOTE, 53), 0);
	sent = frame;
	assert_int_equal(outbound(&frame), PASSED_NOT_INTERNAL);
	assert_true(frame_equal(&frame, &sent));
	frame_udp(&frame, at("10.255.0.1", 1), at(REMOTE, 53), 0);
	assert_int_equal(outbound(&frame), TRANSLATED_NEW);
	frame_other(&frame, inet_addr("11.0.0.1"), inet_addr(REMOTE), IPPROTO_GRE);
	assert_int_equal(outbound(&frame), PASSED_NOT_INTERNAL);
	/* nor is what is excluded */
	gateway.world.config.num_excluded = 1;
	gateway.world.config.excluded[0].prefix = (struct prefix){ inet_addr(REMOTE), 0xffffffff };
	frame_udp(&frame, at("192.168.0.5", 2), at(REMOTE, 53), 0);
	assert_int_equal(outbound(&frame), PASSED_EXCLUDED);
	gateway.world.config.num_excluded = 0;
	/* the host is not forwarded */
	frame_udp(&frame, at(ROUTER, 2), at(REMOTE, 53), 0);
	assert_int_equal(outbound_host(&frame), TRANSLATED_NEW);
	gateway_close(&gateway);
}

/* RFC 4787 REQ-14: a datagram in several packets, its first one first. */
static void lets_fragments_follow(void **state)
{
	struct endpoint external = at(EXTERNAL, 40000);
	struct frame frame, sent;

	(void)state;
	open_gateway("40000-40009");
	frame_udp(&frame, at(INTERNAL, 40000), at(REMOTE, 53), 64);
	frame_ip(&frame)->frag_off = htons(IP_MF);
	seal_ip(frame_ip(&frame));
	assert_int_equal(outbound(&frame), TRANSLATED_NEW);
	frame_begin(&sent, inet_addr(INTERNAL), inet_addr(REMOTE), IPPROTO_UDP, 64);
	frame_ip(&sent)->frag_off = htons(IP_MF | 9);
	seal_ip(frame_ip(&sent));
	frame = sent;
	assert_int_equal(outbound(&frame), TRANSLATED_OUTBOUND);
	assert_true(ip_checksum_is_right(frame_ip(&frame)));
	assert_int_equal(frame_ip(&frame)->saddr, inet_addr(EXTERNAL));
	assert_memory_equal(frame_l4(&frame), frame_l4(&sent), 64);
	/* of another datagram */
	frame = sent;
	frame_ip(&frame)->id = htons(0x4321);
	seal_ip(frame_ip(&frame));
	assert_int_equal(outbound(&frame), HELD_FRAGMENT);
	/* and back */
	frame_udp(&frame, at(REMOTE, 53), external, 64);
	frame_ip(&frame)->frag_off = htons(IP_MF);
	seal_ip(frame_ip(&frame));
	assert_int_equal(inbound(&frame), TRANSLATED_INBOUND);
	frame_begin(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), IPPROTO_UDP, 64);
	frame_ip(&frame)->frag_off = htons(9);
	seal_ip(frame_ip(&frame));
	assert_int_equal(inbound(&frame), TRANSLATED_INBOUND);
	assert_int_equal(frame_ip(&frame)->daddr, inet_addr(INTERNAL));
	/* too late */
	platform.now += 31;
	frame = sent;
	assert_int_equal(outbound(&frame), HELD_FRAGMENT);
	gateway_close(&gateway);
}

/* What becomes of the first fragment becomes of all: those of what is refused are dropped, those for the host go there. */
static void fragments_share_the_fate_of_the_first(void **state)
{
	struct frame frame;

	(void)state;
	open_gateway("40000-40009");
	gateway.world.config.num_external = 0;
	frame_udp(&frame, at(INTERNAL, 40000), at(REMOTE, 53), 64);
	frame_ip(&frame)->id = htons(9001);
	frame_ip(&frame)->frag_off = htons(IP_MF);
	seal_ip(frame_ip(&frame));
	assert_int_equal(outbound(&frame), REFUSED_NO_ADDRESS);
	frame_ip(&frame)->frag_off = htons(9);
	seal_ip(frame_ip(&frame));
	assert_int_equal(outbound(&frame), DROPPED_FRAGMENT);
	gateway.world.config.num_external = 1;
	frame_udp(&frame, at(REMOTE, 53), at(EXTERNAL, 40000), 64);
	frame_ip(&frame)->id = htons(9001);
	frame_ip(&frame)->frag_off = htons(IP_MF);
	seal_ip(frame_ip(&frame));
	assert_int_equal(inbound(&frame), PASSED_NO_SESSION);
	frame_ip(&frame)->frag_off = htons(9);
	seal_ip(frame_ip(&frame));
	assert_int_equal(inbound(&frame), PASSED_HOST_FRAGMENT);
	gateway_close(&gateway);
}

/* ---- all of them ---------------------------------------------------------------------------------------------- */

/* Broken packets: a representative of each; packet_test has the rest. */
static void drops_garbage(void **state)
{
	struct frame about, frame;

	(void)state;
	open_gateway("40000-40009");
	frame_udp(&frame, at(INTERNAL, 1), at(REMOTE, 2), 0);
	frame_ip(&frame)->version = 5;
	assert_int_equal(outbound(&frame), DROPPED_IP_HEADER);
	frame_ip(&frame)->version = 4;
	frame_ip(&frame)->check ^= 1;
	assert_int_equal(outbound(&frame), DROPPED_IP_CHECKSUM);
	frame.len -= 4;
	assert_int_equal(outbound(&frame), DROPPED_IP_LENGTH);
	frame_udp(&frame, at(INTERNAL, 1), at(REMOTE, 2), 0);
	((struct udphdr *)frame_l4(&frame))->len = 0;
	assert_int_equal(outbound(&frame), DROPPED_UDP_HEADER);
	frame_tcp(&frame, at(REMOTE, 1), at(EXTERNAL, 2), LIFE_ACK, 0);
	((struct tcphdr *)frame_l4(&frame))->doff = 15;
	assert_int_equal(inbound(&frame), DROPPED_TCP_HEADER);
	frame_begin(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), IPPROTO_ICMP, 7);
	seal_ip(frame_ip(&frame));
	assert_int_equal(outbound(&frame), DROPPED_ICMP_HEADER);
	frame_udp(&about, at(EXTERNAL, 1), at(REMOTE, 2), 0);
	frame_ip(&about)->ttl++;
	frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_TIME_EXCEEDED, &about, 0);
	assert_int_equal(inbound(&frame), DROPPED_ICMP_QUOTE);
	/* the host answers for what it sends itself */
	frame_udp(&frame, at(EXTERNAL, 1), at(REMOTE, 2), 0);
	((struct udphdr *)frame_l4(&frame))->len = 0;
	assert_int_equal(outbound_host(&frame), PASSED_HOST);
	assert_true(world_is_empty(&gateway.world));
	gateway_close(&gateway);
}

static void every_reason_came_up(void **state)
{
	/* translate_test.c has these */
	static const enum reason of_sessions[] = { TRANSLATED_SHARED,
						   TRANSLATED_ACCEPTED,
						   TRANSLATED_CLASH,
						   TRANSLATED_ERROR_OUTBOUND,
						   TRANSLATED_ERROR_INBOUND,
						   DROPPED_ERROR_NO_SESSION,
						   DROPPED_FILTERED,
						   DROPPED_UNSOLICITED,
						   DROPPED_RACE,
						   DROPPED_RESIZE,
						   REFUSED_MID_STREAM,
						   REFUSED_NO_PORT,
						   REFUSED_NO_ROOM,
						   REFUSED_CLASH };
	static const enum reason of_the_hooks[] = {
		PASSED_ARP,
		PASSED_IPV6,
		PASSED_VLAN,
		PASSED_OTHER_ETHERTYPE,
		PASSED_OWN_ERROR,
		PASSED_LOOPBACK,
		DROPPED_REWRITE,
		REFUSED_QUOTA_PORTS,
		REFUSED_QUOTA_SESSIONS,
		REFUSED_QUOTA_RATE,
		DENIED_BIND,
		DENIED_CONNECT,
		DENIED_SEND,
		TRANSLATED_HAIRPIN,
		PASSED_INSIDE,
		DROPPED_ICMP_CHECKSUM,
		DROPPED_SOURCE_ROUTE,
		REFUSED_HOPS,
		REFUSED_TOO_BIG,
		REFUSED_NO_ROUTE,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(of_sessions) / sizeof(of_sessions[0]); i++) {
		assert_false(seen[of_sessions[i]]);
		seen[of_sessions[i]] = true;
	}
	for (size_t i = 0; i < sizeof(of_the_hooks) / sizeof(of_the_hooks[0]); i++) {
		assert_false(seen[of_the_hooks[i]]);
		seen[of_the_hooks[i]] = true;
	}
	for (int reason = 0; reason < NUM_REASON; reason++)
		if (!seen[reason])
			fail_msg("reason %d never came up", reason);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_on_what_comes_from_inside),
		cmocka_unit_test(decides_on_what_comes_from_the_host),
		cmocka_unit_test(decides_on_what_comes_from_outside),
		cmocka_unit_test(narrows_to_prefixes),
		cmocka_unit_test(lets_fragments_follow),
		cmocka_unit_test(fragments_share_the_fate_of_the_first),
		cmocka_unit_test(drops_garbage),
		cmocka_unit_test(every_reason_came_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
