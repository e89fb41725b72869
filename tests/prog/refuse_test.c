/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refusals: why, what the sender gets for it by each policy, and when nobody may be told (RFC 1812 §4.3.2.7). */
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "answer.h"
#include "gateway.h"

#define OTHER "192.168.0.6"
#define HOST_ELSEWHERE "10.9.9.9" /* an address of the host that is not the external interface's */
#define NUM_SESSIONS 64

static struct gateway gateway;

static struct outcome send_from(struct frame *frame, __u32 from, int action, enum reason reason)
{
	struct outcome outcome = gateway_egress(&gateway, frame, from);

	assert_int_equal(outcome.reason, reason);
	assert_int_equal(outcome.action, action);
	return outcome;
}

/* One port, which another host holds toward REMOTE:80 by TCP and UDP. */
static void fill(void)
{
	struct frame frame;

	gateway_reset(&gateway, "40000");
	frame_udp(&frame, at(OTHER, 40000), at(REMOTE, 80), 10);
	send_from(&frame, FROM_INTERNAL, TC_ACT_UNSPEC, TRANSLATED_NEW);
	frame_tcp(&frame, at(OTHER, 40000), at(REMOTE, 80), LIFE_SYN, 0);
	send_from(&frame, FROM_INTERNAL, TC_ACT_UNSPEC, TRANSLATED_NEW);
	gateway_take_events(&gateway);
}

static void choose_policy(enum icmp_policy policy)
{
	gateway.config.icmp = policy;
	gateway_configure(&gateway);
}

/* The client gets this code; the packet in `frame` stays. */
static void refused_with(const struct frame *frame, enum reason reason, __u8 code)
{
	struct frame sent = *frame, answer = *frame;

	send_from(&answer, FROM_INTERNAL, TC_ACT_REDIRECT, reason);
	check_error(&sent, &answer, inet_addr(GATEWAY_ADDR), code);
}

/* It is dropped, and what is dropped is what was sent. */
static void refused_in_silence(const struct frame *frame, __u32 from, enum reason reason)
{
	struct frame after = *frame;

	send_from(&after, from, TC_ACT_SHOT, reason);
	assert_true(frame_equal(&after, frame));
}

static void by_policy(const struct frame *frame, enum reason reason)
{
	choose_policy(ICMP_HOST_UNREACHABLE);
	refused_with(frame, reason, 1);
	choose_policy(ICMP_ADMIN_PROHIBITED);
	refused_with(frame, reason, 13);
	choose_policy(ICMP_NONE);
	refused_in_silence(frame, FROM_INTERNAL, reason);
	gateway_check(&gateway);
}

/* ---- internal clients ----------------------------------------------------------------------------------------- */

static void no_port(void **state)
{
	struct frame frame;

	(void)state;
	fill();
	frame_tcp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), LIFE_SYN, 0);
	by_policy(&frame, REFUSED_NO_PORT);
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), 10);
	by_policy(&frame, REFUSED_NO_PORT);
}

static void no_address(void **state)
{
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000");
	gateway.config.num_external = 0;
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), 10);
	by_policy(&frame, REFUSED_NO_ADDRESS);
	frame_icmp(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO, 77);
	by_policy(&frame, REFUSED_NO_ADDRESS);
}

static void no_room(void **state)
{
	struct frame frame;
	enum reason reason = TRANSLATED_NEW;

	(void)state;
	gateway_reset(&gateway, "1024-65535");
	for (__u16 port = 5000; port < 5000 + 8 * NUM_SESSIONS && reason != REFUSED_NO_ROOM; port++) {
		frame_udp(&frame, at(INTERNAL, port), at(REMOTE, 80), 10);
		/* each attempt moves an entry, as long as that can make room */
		for (int i = 0; i < 64; i++) {
			struct frame copy = frame;

			reason = gateway_egress(&gateway, &copy, FROM_INTERNAL).reason;
			if (reason != REFUSED_NO_ROOM)
				break;
		}
	}
	assert_int_equal(reason, REFUSED_NO_ROOM);
	assert_in_range(gateway.header->num_sessions, NUM_SESSIONS / 2, 2 * NUM_SESSIONS);
	by_policy(&frame, REFUSED_NO_ROOM);
}

/* Hosts of their own, because what they have outlives a test. */
static void quotas(void **state)
{
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	gateway.config.max_sessions = 1;
	gateway_configure(&gateway);
	frame_udp(&frame, at("192.168.7.1", 5000), at(REMOTE, 80), 10);
	send_from(&frame, FROM_INTERNAL, TC_ACT_UNSPEC, TRANSLATED_NEW);
	frame_udp(&frame, at("192.168.7.1", 5000), at(REMOTE, 81), 10);
	by_policy(&frame, REFUSED_QUOTA_SESSIONS);

	gateway_reset(&gateway, "40000-40009");
	gateway.config.max_ports = 1;
	gateway_configure(&gateway);
	frame_udp(&frame, at("192.168.7.2", 5000), at(REMOTE, 80), 10);
	send_from(&frame, FROM_INTERNAL, TC_ACT_UNSPEC, TRANSLATED_NEW);
	frame_udp(&frame, at("192.168.7.2", 5001), at(REMOTE, 80), 10);
	by_policy(&frame, REFUSED_QUOTA_PORTS);
}

/* What a NAT can translate is no policy: the code is always the same, unless nothing is to be told. */
static void protocol(void **state)
{
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000");
	frame_other(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), IPPROTO_GRE);
	refused_with(&frame, REFUSED_PROTOCOL, 2);
	choose_policy(ICMP_ADMIN_PROHIBITED);
	refused_with(&frame, REFUSED_PROTOCOL, 2);
	choose_policy(ICMP_NONE);
	refused_in_silence(&frame, FROM_INTERNAL, REFUSED_PROTOCOL);
	gateway_check(&gateway);
}

/* Long packets are quoted as far as 576 octets go, options and the class of service as they were. */
static void quotes(void **state)
{
	static const __u32 data_len[] = { 0, 1, 2, 19, 63, 64, 65, 519, 520, 521, 1000, 1472 };
	struct frame frame;

	(void)state;
	fill();
	for (size_t i = 0; i < sizeof(data_len) / sizeof(data_len[0]); i++) {
		frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), data_len[i]);
		refused_with(&frame, REFUSED_NO_PORT, 1);
		frame_ip(&frame)->tos = 0xba; /* expedited forwarding, ECT(0) */
		frame_seal(&frame);
		refused_with(&frame, REFUSED_NO_PORT, 1);
		frame_add_options(&frame, 1 + i % 10);
		refused_with(&frame, REFUSED_NO_PORT, 1);
	}
	/* no checksum is a checksum that stays so */
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), 10);
	((struct udphdr *)frame_l4(&frame))->check = 0;
	refused_with(&frame, REFUSED_NO_PORT, 1);
	gateway_check(&gateway);
}

/* The interface that it came in by has no address of ours to answer from. */
static void unknown_interface(void **state)
{
	struct frame frame;

	(void)state;
	fill();
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), 10);
	refused_in_silence(&frame, FROM_UNKNOWN, REFUSED_NO_PORT);
}

/* ---- when nobody may be told ----------------------------------------------------------------------------------- */

static void not_about_groups(void **state)
{
	struct frame frame;

	(void)state;
	fill();
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), 10);
	memset(frame.bytes, 0xff, ETH_ALEN); /* REMOTE is the broadcast address of a subnet */
	refused_in_silence(&frame, FROM_INTERNAL, REFUSED_NO_PORT);
	memcpy(frame.bytes, (__u8[]){ 1, 0, 0x5e, 0, 0, 1 }, ETH_ALEN);
	refused_in_silence(&frame, FROM_INTERNAL, REFUSED_NO_PORT);
	frame_udp(&frame, at(INTERNAL, 5000), at("224.0.0.251", 80), 10);
	refused_in_silence(&frame, FROM_INTERNAL, DROPPED_MULTICAST);
	frame_udp(&frame, at(INTERNAL, 5000), at("255.255.255.255", 80), 10);
	refused_in_silence(&frame, FROM_INTERNAL, DROPPED_MULTICAST);
	frame_other(&frame, inet_addr(INTERNAL), inet_addr("239.1.2.3"), IPPROTO_IGMP);
	refused_in_silence(&frame, FROM_INTERNAL, DROPPED_MULTICAST);
	gateway_check(&gateway);
}

static void not_to_nobody(void **state)
{
	static const char *const nobody[] = {
		"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	};
	struct frame frame;

	(void)state;
	fill();
	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
		frame_udp(&frame, at(nobody[i], 5000), at(REMOTE, 80), 10);
		refused_in_silence(&frame, FROM_INTERNAL, DROPPED_MARTIAN);
		frame_other(&frame, inet_addr(nobody[i]), inet_addr(REMOTE), IPPROTO_GRE);
		refused_in_silence(&frame, FROM_INTERNAL, DROPPED_MARTIAN);
	}
	/* the host may send from such an address, and nobody would get the answer */
	frame_udp(&frame, at("127.0.0.1", 5000), at(REMOTE, 80), 10);
	refused_in_silence(&frame, FROM_HOST, REFUSED_NO_PORT);
	frame_udp(&frame, at("240.0.0.1", 5000), at(REMOTE, 80), 10);
	refused_in_silence(&frame, FROM_HOST, REFUSED_NO_PORT);
	gateway_check(&gateway);
}

static void not_about_errors(void **state)
{
	static const __u8 types[] = { ICMP_TYPE_UNREACHABLE, ICMP_TYPE_SOURCE_QUENCH, 5, ICMP_TYPE_TIME_EXCEEDED,
				      ICMP_TYPE_PARAMETER_PROBLEM };
	struct frame frame, about;

	(void)state;
	fill();
	gateway.config.num_external = 0; /* nor is there an address to send it from */
	gateway_configure(&gateway);
	frame_udp(&about, at(REMOTE, 80), at(INTERNAL, 5000), 30);
	for (size_t i = 0; i < sizeof(types); i++) {
		bool known = icmp_is_error(types[i]);

		frame_error(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), types[i], &about, 28);
		refused_in_silence(&frame, FROM_INTERNAL, known ? DROPPED_ERROR_NO_SESSION : DROPPED_ICMP_TYPE);
	}
	gateway_check(&gateway);
}

static void only_about_first_fragments(void **state)
{
	struct frame frame;

	(void)state;
	fill();
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), 64);
	((struct udphdr *)frame_l4(&frame))->len = htons(2000);
	frame_ip(&frame)->frag_off = htons(0x2000);
	seal_ip(frame_ip(&frame));
	refused_with(&frame, REFUSED_NO_PORT, 1);
	frame_ip(&frame)->frag_off = htons(9);
	seal_ip(frame_ip(&frame));
	refused_in_silence(&frame, FROM_INTERNAL, DROPPED_FRAGMENT);
	frame_other(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), IPPROTO_GRE);
	frame_ip(&frame)->frag_off = htons(0x2000 | 9);
	seal_ip(frame_ip(&frame));
	refused_in_silence(&frame, FROM_INTERNAL, HELD_FRAGMENT);
	gateway_check(&gateway);
}

static void not_about_broken_headers(void **state)
{
	struct frame frame;

	(void)state;
	fill();
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), 10);
	frame_ip(&frame)->check ^= 1;
	refused_in_silence(&frame, FROM_INTERNAL, DROPPED_IP_CHECKSUM);
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), 10);
	((struct udphdr *)frame_l4(&frame))->len = htons(7);
	refused_in_silence(&frame, FROM_INTERNAL, DROPPED_UDP_HEADER);
	gateway_check(&gateway);
}

/* At most so many a second, and it is written down how many were not sent; the count of packets is exact all the same. */
static void is_limited(void **state)
{
	struct timespec begin, end;
	struct limit first, last;
	__u32 num_told = 0, num_sent = 0;
	struct frame sent;

	(void)state;
	fill();
	frame_udp(&sent, at(INTERNAL, 5000), at(REMOTE, 80), 10);
	gateway_read_limit(&gateway, LIMIT_ICMP, &first);
	clock_gettime(CLOCK_MONOTONIC_COARSE, &begin);
	/* a second that ends meanwhile brings another allowance */
	do {
		struct frame frame = sent;

		if (gateway_egress(&gateway, &frame, FROM_INTERNAL).action == TC_ACT_REDIRECT)
			num_told++;
		num_sent++;
		gateway_read_limit(&gateway, LIMIT_ICMP, &last);
	} while (last.suppressed_ever - first.suppressed_ever < 500);
	assert_int_equal(num_told + 500, num_sent);
	clock_gettime(CLOCK_MONOTONIC_COARSE, &end);
	assert_in_range(num_told, LIMIT_ICMP_PER_S, LIMIT_ICMP_PER_S * (end.tv_sec - begin.tv_sec + 1));
	assert_int_equal(gateway.counters[REFUSED_NO_PORT], num_sent);
	gateway_check(&gateway);
}

/* ---- the host -------------------------------------------------------------------------------------------------- */

/* A session holds EXTERNAL:40000 toward REMOTE:80, and there is no other port. */
static void host_is_told(struct frame *frame, bool reset, enum reason reason)
{
	struct frame sent = *frame;
	struct outcome outcome = send_from(frame, FROM_HOST, TC_ACT_REDIRECT, reason);

	if (reset)
		check_reset(&sent, frame);
	else
		check_error(&sent, frame, inet_addr(REMOTE), 13);
	/* the ingress hook lets it in, and takes the mark away */
	assert_int_not_equal(outcome.mark, 0);
	sent = *frame;
	outcome = gateway_ingress(&gateway, frame, outcome.mark);
	assert_int_equal(outcome.reason, PASSED_OWN_ERROR);
	assert_int_equal(outcome.action, TC_ACT_UNSPEC);
	assert_int_equal(outcome.mark, 0);
	assert_true(frame_equal(frame, &sent));
}

static void host_syn_gets_reset(void **state)
{
	struct frame frame;

	(void)state;
	fill();
	frame_tcp(&frame, at(EXTERNAL, 40000), at(REMOTE, 80), LIFE_SYN, 0);
	host_is_told(&frame, true, REFUSED_CLASH);
	/* with data, as TCP Fast Open has it */
	frame_tcp(&frame, at(EXTERNAL, 40000), at(REMOTE, 80), LIFE_SYN, 100);
	host_is_told(&frame, true, REFUSED_CLASH);
	gateway_check(&gateway);
}

/* Everything else gets ICMP 3/13 in the name of the peer; a policy for clients is none for the host. */
static void host_datagram_gets_error(void **state)
{
	struct frame frame;

	(void)state;
	fill();
	choose_policy(ICMP_NONE);
	frame_udp(&frame, at(EXTERNAL, 40000), at(REMOTE, 80), 20);
	host_is_told(&frame, false, REFUSED_CLASH);
	choose_policy(ICMP_HOST_UNREACHABLE);
	frame_tcp(&frame, at(EXTERNAL, 40000), at(REMOTE, 80), LIFE_ACK, 20);
	host_is_told(&frame, false, REFUSED_CLASH);
	/* from an address that is masqueraded, like a client's: in its own words */
	frame_udp(&frame, at(HOST_ELSEWHERE, 5000), at(REMOTE, 80), 20);
	host_is_told(&frame, false, REFUSED_NO_PORT);
	gateway_check(&gateway);
}

/* A clash that can be mended is: the host's packet leaves by another port, and its answers come back. */
static void clash_is_translated(void **state)
{
	struct frame frame;

	(void)state;
	fill();
	gateway_reset(&gateway, "40000-40001");
	frame_udp(&frame, at(OTHER, 40000), at(REMOTE, 80), 10);
	send_from(&frame, FROM_INTERNAL, TC_ACT_UNSPEC, TRANSLATED_NEW);
	frame_udp(&frame, at(EXTERNAL, 40000), at(REMOTE, 80), 10);
	send_from(&frame, FROM_HOST, TC_ACT_UNSPEC, TRANSLATED_CLASH);
	assert_true(frame_is_sound(&frame));
	assert_true(endpoint_equal(frame_src(&frame), at(EXTERNAL, 40001)));
	frame_reverse(&frame);
	assert_int_equal(gateway_ingress(&gateway, &frame, 0).reason, TRANSLATED_INBOUND);
	assert_true(endpoint_equal(frame_dst(&frame), at(EXTERNAL, 40000)));
	/* toward a remote where nobody holds the tuple there is none */
	frame_udp(&frame, at(EXTERNAL, 40000), at(REMOTE, 81), 10);
	send_from(&frame, FROM_HOST, TC_ACT_UNSPEC, PASSED_HOST);
	gateway_check(&gateway);
}

/* ---- segments of no connection --------------------------------------------------------------------------------- */

static void refused_with_reset(const struct frame *frame)
{
	struct frame sent = *frame, answer = *frame;

	send_from(&answer, FROM_INTERNAL, TC_ACT_REDIRECT, REFUSED_MID_STREAM);
	check_reset(&sent, &answer);
}

/* Whatever the policy says of ICMP errors. A SYN begins a connection, and a RST ends nothing that is there. */
static void mid_stream(void **state)
{
	static const __u8 flags[] = {
		0, LIFE_ACK, LIFE_FIN, LIFE_FIN | LIFE_ACK, LIFE_SYN | LIFE_ACK, LIFE_SYN | LIFE_FIN,
	};
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	gateway.config.mid_stream = MID_STREAM_RESET;
	choose_policy(ICMP_NONE);
	for (size_t i = 0; i < sizeof(flags); i++)
		for (__u32 len = 0; len <= 1400; len += 700) {
			frame_tcp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), flags[i], len);
			((struct tcphdr *)frame_l4(&frame))->ack_seq = htonl(0xfffffff0);
			frame_seal(&frame);
			refused_with_reset(&frame);
		}
	frame_tcp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), LIFE_RST, 0);
	refused_in_silence(&frame, FROM_INTERNAL, DROPPED_NO_SESSION);
	frame_tcp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), LIFE_RST | LIFE_ACK, 0);
	refused_in_silence(&frame, FROM_INTERNAL, DROPPED_NO_SESSION);
	assert_true(gateway_is_empty(&gateway));
	frame_tcp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), LIFE_SYN, 30);
	send_from(&frame, FROM_INTERNAL, TC_ACT_UNSPEC, TRANSLATED_NEW);
	frame_tcp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), LIFE_ACK, 0);
	send_from(&frame, FROM_INTERNAL, TC_ACT_UNSPEC, TRANSLATED_OUTBOUND);
	/* the host's own, from an address that is masqueraded */
	frame_tcp(&frame, at(HOST_ELSEWHERE, 5000), at(REMOTE, 80), LIFE_ACK, 20);
	host_is_told(&frame, true, REFUSED_MID_STREAM);
	gateway_check(&gateway);
}

/* By default such a segment makes a session, so that connections outlive the loss of the table. */
static void mid_stream_is_adopted(void **state)
{
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_tcp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), LIFE_ACK, 20);
	send_from(&frame, FROM_INTERNAL, TC_ACT_UNSPEC, TRANSLATED_NEW);
	gateway_check(&gateway);
}

/* A RST is an answer that counts among the others. */
static void resets_are_limited(void **state)
{
	struct limit first, last;
	struct frame sent;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	gateway.config.mid_stream = MID_STREAM_RESET;
	gateway_configure(&gateway);
	frame_tcp(&sent, at(INTERNAL, 5000), at(REMOTE, 80), LIFE_ACK, 20);
	gateway_read_limit(&gateway, LIMIT_ICMP, &first);
	do {
		struct frame frame = sent;

		gateway_egress(&gateway, &frame, FROM_INTERNAL);
		gateway_read_limit(&gateway, LIMIT_ICMP, &last);
	} while (last.suppressed_ever == first.suppressed_ever);
	assert_in_range(last.done, LIMIT_ICMP_PER_S, LIMIT_ICMP_PER_S + 1);
	gateway_check(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_port),
		cmocka_unit_test(no_address),
		cmocka_unit_test(no_room),
		cmocka_unit_test(quotas),
		cmocka_unit_test(protocol),
		cmocka_unit_test(quotes),
		cmocka_unit_test(unknown_interface),
		cmocka_unit_test(not_about_groups),
		cmocka_unit_test(not_to_nobody),
		cmocka_unit_test(not_about_errors),
		cmocka_unit_test(only_about_first_fragments),
		cmocka_unit_test(not_about_broken_headers),
		cmocka_unit_test(is_limited),
		cmocka_unit_test(host_syn_gets_reset),
		cmocka_unit_test(host_datagram_gets_error),
		cmocka_unit_test(clash_is_translated),
		cmocka_unit_test(mid_stream),
		cmocka_unit_test(mid_stream_is_adopted),
		cmocka_unit_test(resets_are_limited),
	};

	return gateway_run_tests(&gateway, NUM_SESSIONS, tests, sizeof(tests) / sizeof(tests[0]));
}
