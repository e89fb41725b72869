/* SPDX-License-Identifier: GPL-2.0-or-later */
/* First packets through the xdp programs (--fast-create): sessions are made, or not, as tc makes them. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "beside.h"
#include "packet.h"
#include "wires.h"

/* ---- both gateways -------------------------------------------------------------------------------------------- */

static void reset(const char *ranges)
{
	beside_reset(ranges, true);
}

/* Puts the configuration of the mixed gateway, which the test has changed, in force in both. */
static void configure(void)
{
	plain.config = mixed.config;
	gateway_configure(&plain);
	gateway_configure(&mixed);
}

static void check(void)
{
	beside_check();
	assert_int_equal(plain.header->num_sessions, mixed.header->num_sessions);
	assert_int_equal(plain.header->num_mappings, mixed.header->num_mappings);
}

/* An outbound packet: tc translates it under `reason`, and xdp to the same octets, one hop further. */
static void assert_as_tc(const struct frame *sent, enum reason reason, enum fast_reason fast_reason)
{
	struct frame by_tc = *sent, by_xdp = *sent;
	__u64 counted = mixed.counters[reason];
	struct fast_outcome outcome;

	assert_int_equal(gateway_egress(&plain, &by_tc, FROM_INTERNAL).reason, reason);
	frame_ip(&by_tc)->ttl--;
	seal_ip(frame_ip(&by_tc));
	outcome = fast_run(&fast, &by_xdp, fast.inside);
	assert_int_equal(outcome.reason, fast_reason);
	assert_int_equal(outcome.action, XDP_REDIRECT);
	assert_true(frame_has_macs(&by_xdp, ROUTER_MAC, OUTSIDE_MAC));
	memcpy(by_tc.bytes, by_xdp.bytes, 2 * MAC_LEN);
	assert_true(frame_equal(&by_tc, &by_xdp));
	assert_int_equal(mixed.counters[reason], counted + (fast_reason == FAST_CREATED));
}

/* A packet that goes up: tc makes of it what the gateway without xdp makes of it. */
static void assert_up(struct frame *frame, enum fast_reason fast_reason, enum reason reason)
{
	struct fast_outcome outcome = fast_run(&fast, frame, fast.inside);
	struct frame other = *frame;
	struct outcome by_tc;

	assert_int_equal(outcome.reason, fast_reason);
	assert_int_equal(outcome.action, XDP_PASS);
	by_tc = gateway_egress(&mixed, frame, FROM_INTERNAL);
	assert_int_equal(by_tc.reason, reason);
	assert_int_equal(gateway_egress(&plain, &other, FROM_INTERNAL).reason, reason);
}

static void make_first(struct frame *frame, __u8 proto, __u16 port)
{
	if (proto == IPPROTO_TCP)
		frame_tcp(frame, at(INTERNAL, port), at(REMOTE, 80), LIFE_SYN, 0);
	else if (proto == IPPROTO_UDP)
		frame_udp(frame, at(INTERNAL, port), at(REMOTE, 53), 20);
	else
		frame_icmp(frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO, port);
}

static const __u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };

#define NUM_PROTO (sizeof(protos) / sizeof(protos[0]))

/* ---- sessions ------------------------------------------------------------------------------------------------- */

static void makes_sessions(void **state)
{
	struct frame frame;

	(void)state;
	reset("40000-40009");
	for (size_t i = 0; i < NUM_PROTO; i++) {
		make_first(&frame, protos[i], 40003);
		assert_as_tc(&frame, TRANSLATED_NEW, FAST_CREATED);
		assert_as_tc(&frame, TRANSLATED_OUTBOUND, FAST_OUTBOUND);
	}
	check();
}

/* The next packet finds its way in the session. */
static void remembers_the_way(void **state)
{
	struct frame frame;

	(void)state;
	reset("40000-40009");
	make_first(&frame, IPPROTO_UDP, 40003);
	assert_as_tc(&frame, TRANSLATED_NEW, FAST_CREATED);
	wires_ip("route add unreachable " REMOTE "/32");
	assert_as_tc(&frame, TRANSLATED_OUTBOUND, FAST_OUTBOUND);
	wires_ip("route del " REMOTE "/32");
	check();
}

/* From SYN to FIN, with the SYN of the remote. */
static void carries_connections(void **state)
{
	static const __u32 flags[] = { LIFE_SYN, LIFE_SYN | LIFE_ACK, LIFE_ACK, LIFE_ACK, LIFE_FIN | LIFE_ACK };
	struct frame frame, other;

	(void)state;
	reset("40000-40009");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		frame_tcp(&frame, at(INTERNAL, 40003), at(REMOTE, 80), flags[i], 0);
		if (i % 2 == 0) {
			assert_as_tc(&frame, i ? TRANSLATED_OUTBOUND : TRANSLATED_NEW,
				     i ? FAST_OUTBOUND : FAST_CREATED);
			continue;
		}
		frame_tcp(&frame, at(REMOTE, 80), at(EXTERNAL, 40003), flags[i], 0);
		other = frame;
		assert_int_equal(fast_run(&fast, &frame, fast.outside).reason, FAST_INBOUND);
		assert_int_equal(gateway_ingress(&plain, &other, 0).reason, TRANSLATED_INBOUND);
		assert_true(endpoint_equal(frame_dst(&frame), frame_dst(&other)));
	}
	check();
}

static void leaves_all_when_it_is_off(void **state)
{
	struct frame frame;

	(void)state;
	reset("40000-40009");
	mixed.config.fast_create = 0;
	configure();
	for (size_t i = 0; i < NUM_PROTO; i++) {
		make_first(&frame, protos[i], 40003);
		assert_up(&frame, protos[i] == IPPROTO_TCP ? FAST_UP_SYN : FAST_UP_NO_SESSION, TRANSLATED_NEW);
	}
	check();
}

/* Two internal hosts from one port, toward one remote: the second one shares. */
static void shares_ports(void **state)
{
	struct frame frame;

	(void)state;
	reset("40000");
	frame_udp(&frame, at(INTERNAL, 1), at(REMOTE, 1), 1);
	assert_as_tc(&frame, TRANSLATED_NEW, FAST_CREATED);
	frame_udp(&frame, at(INTERNAL, 2), at(REMOTE, 2), 1);
	assert_as_tc(&frame, TRANSLATED_SHARED, FAST_CREATED);
	check();
}

/* Options that tc knows to read in a SYN: the MSS on an even and on an odd offset. */
static void lowers_the_mss(void **state)
{
	static const __u8 options[2][8] = { { 2, 4, 1460 >> 8, 1460 & 255, 1, 1, 1, 1 },
					    { 1, 2, 4, 1460 >> 8, 1460 & 255, 1, 1, 1 } };

	(void)state;
	for (__u16 mss = 1459; mss <= 1460; mss++) {
		for (int odd = 0; odd < 2; odd++) {
			struct tcphdr *tcp;
			struct frame frame;

			reset("40000-40009");
			mixed.config.mss = mss;
			configure();
			frame_tcp(&frame, at(INTERNAL, 40003), at(REMOTE, 80), LIFE_SYN, sizeof(options[odd]));
			tcp = frame_l4(&frame);
			tcp->doff += sizeof(options[odd]) / 4;
			memcpy(tcp + 1, options[odd], sizeof(options[odd]));
			frame_seal(&frame);
			assert_as_tc(&frame, TRANSLATED_NEW, FAST_CREATED);
			fast_run(&fast, &frame, fast.inside);
			assert_int_equal(((__u8 *)(tcp + 1))[3 + odd], mss & 255);
			assert_true(frame_is_sound(&frame));
		}
	}
	check();
}

/* ---- what is not translated ------------------------------------------------------------------------------------- */

static void goes_by_the_settings(void **state)
{
	struct frame frame;

	(void)state;
	reset("40000-40009");
	mixed.config.num_excluded = 1;
	mixed.config.excluded[0].prefix = (struct prefix){ .addr = inet_addr(REMOTE), .mask = 0xffffffff };
	configure();
	make_first(&frame, IPPROTO_UDP, 40003);
	assert_up(&frame, FAST_UP_NO_SESSION, PASSED_EXCLUDED);

	reset("40000-40009");
	mixed.config.num_internal = 1;
	mixed.config.internal[0] = (struct prefix){ .addr = inet_addr("192.168.0.64"), .mask = 0xffffffff };
	configure();
	make_first(&frame, IPPROTO_UDP, 40003);
	assert_up(&frame, FAST_UP_NO_SESSION, PASSED_NOT_INTERNAL);

	reset("40000-40009");
	mixed.config.mid_stream = MID_STREAM_RESET;
	configure();
	frame_tcp(&frame, at(INTERNAL, 40003), at(REMOTE, 80), LIFE_ACK, 10);
	assert_up(&frame, FAST_UP_REFUSED, REFUSED_MID_STREAM);
	mixed.config.mid_stream = MID_STREAM_ADOPT;
	configure();
	frame_tcp(&frame, at(INTERNAL, 40003), at(REMOTE, 80), LIFE_ACK, 10);
	assert_as_tc(&frame, TRANSLATED_NEW, FAST_CREATED);
	frame_tcp(&frame, at(INTERNAL, 40004), at(REMOTE, 80), LIFE_RST, 0);
	assert_up(&frame, FAST_UP_REFUSED, DROPPED_NO_SESSION);

	reset("40000-40009");
	mixed.config.num_external = 0;
	configure();
	make_first(&frame, IPPROTO_UDP, 40003);
	assert_up(&frame, FAST_UP_REFUSED, REFUSED_NO_ADDRESS);

	reset("40000-40009");
	mixed.config.max_sessions = 1;
	configure();
	make_first(&frame, IPPROTO_UDP, 40003);
	assert_as_tc(&frame, TRANSLATED_NEW, FAST_CREATED);
	make_first(&frame, IPPROTO_UDP, 40004);
	assert_up(&frame, FAST_UP_REFUSED, REFUSED_QUOTA_SESSIONS);
	check();
}

/* Nothing is begun for a packet that does not leave by the external interface, or whose sender is elsewhere. */
static void asks_for_the_way_first(void **state)
{
	struct frame frame;

	(void)state;
	reset("40000-40009");
	frame_udp(&frame, at(INTERNAL, 40003), at(VLAN_INTERNAL, 53), 10);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_UP_ROUTE);
	frame_udp(&frame, at(INTERNAL, 40003), at(GATEWAY_ADDR, 53), 10);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_UP_ROUTE);
	frame_udp(&frame, at("203.0.113.8", 40003), at(REMOTE, 53), 10);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_UP_SOURCE);
	frame_udp(&frame, at(VLAN_INTERNAL, 40003), at(REMOTE, 53), 10);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_UP_SOURCE);
	frame_udp(&frame, at(GATEWAY_ADDR, 40003), at(REMOTE, 53), 10);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_UP_SOURCE);
	fast_watch(&fast, false);
	make_first(&frame, IPPROTO_UDP, 40003);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_UP_UNWATCHED);
	fast_watch(&fast, true);
	frame_ip(&frame)->ttl = 1;
	frame_seal(&frame);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_UP_HOPS);
	assert_true(gateway_is_empty(&mixed));

	/* from outside nothing is begun */
	frame_tcp(&frame, at(REMOTE, 80), at(EXTERNAL, 40003), LIFE_SYN, 0);
	assert_int_equal(fast_run(&fast, &frame, fast.outside).reason, FAST_UP_NO_SESSION);
	frame_udp(&frame, at(REMOTE, 80), at(EXTERNAL, 40003), 10);
	assert_int_equal(fast_run(&fast, &frame, fast.outside).reason, FAST_UP_NO_SESSION);
	assert_true(gateway_is_empty(&mixed));
}

/* ---- the host ------------------------------------------------------------------------------------------------- */

/* Fails if the session that begins from this port has it outside too. */
static void assert_port_is_avoided(__u8 proto, __u16 port)
{
	struct frame frame;

	make_first(&frame, proto, port);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_CREATED);
	assert_int_not_equal(frame_src(&frame).port, htons(port));
	gateway_sweep(&mixed, SWEEP_FLUSH);
}

static void assert_port_is_kept(__u8 proto, __u16 port)
{
	struct frame frame;

	make_first(&frame, proto, port);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_CREATED);
	assert_int_equal(frame_src(&frame).port, htons(port));
	gateway_sweep(&mixed, SWEEP_FLUSH);
}

static void avoids_sockets(void **state)
{
	struct endpoint remote = at(REMOTE, 53), other = at(REMOTE, 54);
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = remote.addr };
	int fd;

	(void)state;
	reset("40000-40009");
	fd = host_socket(SOCK_STREAM, 40003);
	assert_port_is_avoided(IPPROTO_TCP, 40003);
	assert_port_is_kept(IPPROTO_UDP, 40003);
	close(fd);
	assert_port_is_kept(IPPROTO_TCP, 40003);

	fd = host_socket(SOCK_DGRAM, 40003);
	assert_port_is_avoided(IPPROTO_UDP, 40003);
	addr.sin_port = remote.port;
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_port_is_avoided(IPPROTO_UDP, 40003);
	/* one with another remote is in nobody's way */
	addr.sin_port = other.port;
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_port_is_kept(IPPROTO_UDP, 40003);
	close(fd);
	beside_use(&mixed);
	gateway_check(&mixed);
}

/* The kernel does not find it from another interface; it is known by what the daemon, or tc, has noted. */
static void avoids_sockets_of_the_interface(void **state)
{
	int fd;

	(void)state;
	reset("40000-40009");
	fd = host_socket(SOCK_DGRAM, 40003);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, OUTSIDE, sizeof(OUTSIDE)), 0);
	gateway_note_bound(&mixed, IPPROTO_UDP, 40003, true);
	assert_port_is_avoided(IPPROTO_UDP, 40003);
	assert_port_is_kept(IPPROTO_TCP, 40003);
	close(fd);
	gateway_note_bound(&mixed, IPPROTO_UDP, 40003, false);
	assert_port_is_kept(IPPROTO_UDP, 40003);
}

/* ---- when nothing is left --------------------------------------------------------------------------------------- */

/* As if tc had told so many clients in this second that it tells no more. */
static void spend_limit(__u32 second)
{
	gateway_write_limit(&mixed, LIMIT_ICMP, &(struct limit){ .second = second, .done = LIMIT_ICMP_PER_S });
}

static __u32 coarse_second(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

static void fill(void)
{
	struct frame frame;

	reset("40000");
	frame_udp(&frame, at(INTERNAL, 1), at(REMOTE, 53), 1);
	assert_as_tc(&frame, TRANSLATED_NEW, FAST_CREATED);
	frame_udp(&frame, at(INTERNAL, 2), at(REMOTE, 53), 1);
}

static void lets_tc_tell_clients(void **state)
{
	struct frame frame;

	(void)state;
	fill();
	frame_udp(&frame, at(INTERNAL, 2), at(REMOTE, 53), 1);
	assert_up(&frame, FAST_UP_REFUSED, REFUSED_NO_PORT);
	/* of the second before */
	frame_udp(&frame, at(INTERNAL, 2), at(REMOTE, 53), 1);
	spend_limit(coarse_second() - 1);
	assert_up(&frame, FAST_UP_REFUSED, REFUSED_NO_PORT);
	check();
}

static void drops_what_tc_would(void **state)
{
	struct fast_outcome outcome;
	struct limit limit;
	struct frame frame;
	__u64 failures;
	__u32 second;

	(void)state;
	fill();
	failures = mixed.header->num_failures[reason_failure_ring(REFUSED_NO_PORT)];
	/* the second may end before the packet is there: try again then */
	do {
		frame_udp(&frame, at(INTERNAL, 2), at(REMOTE, 53), 1);
		second = coarse_second();
		spend_limit(second);
		outcome = fast_run(&fast, &frame, fast.inside);
	} while (coarse_second() != second);
	assert_int_equal(outcome.reason, FAST_REFUSED);
	assert_int_equal(outcome.action, XDP_DROP);
	assert_int_equal(mixed.counters[REFUSED_NO_PORT], 1);
	assert_int_equal(mixed.header->num_failures[reason_failure_ring(REFUSED_NO_PORT)], failures + 1);
	gateway_read_limit(&mixed, LIMIT_ICMP, &limit);
	assert_int_equal(limit.suppressed_ever, 1);

	mixed.config.icmp = ICMP_NONE;
	gateway_configure(&mixed);
	gateway_write_limit(&mixed, LIMIT_ICMP, &(struct limit){ 0 });
	frame_udp(&frame, at(INTERNAL, 2), at(REMOTE, 53), 1);
	assert_int_equal(fast_run(&fast, &frame, fast.inside).reason, FAST_REFUSED);
	beside_use(&mixed);
	gateway_check(&mixed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_sessions),       cmocka_unit_test(remembers_the_way),
		cmocka_unit_test(carries_connections),  cmocka_unit_test(leaves_all_when_it_is_off),
		cmocka_unit_test(shares_ports),         cmocka_unit_test(lowers_the_mss),
		cmocka_unit_test(goes_by_the_settings), cmocka_unit_test(asks_for_the_way_first),
		cmocka_unit_test(avoids_sockets),       cmocka_unit_test(avoids_sockets_of_the_interface),
		cmocka_unit_test(lets_tc_tell_clients), cmocka_unit_test(drops_what_tc_would),
	};

	return cmocka_run_group_tests(tests, beside_open, beside_close);
}
