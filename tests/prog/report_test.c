/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told and kept of packets: events with their limits, and the rings of failures. */
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway.h"

#define OTHER "192.168.0.6"
#define RING_SIZE (256 * 1024)
#define EVENT_SIZE (sizeof(struct event) + 8) /* with the header that the ring gives it */

static struct gateway gateway;

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* What the program makes of the packet is not looked at; `sent` stays. */
static void send_as(const struct frame *sent, __u32 from, enum reason reason)
{
	struct frame frame;

	/* not by assignment: the compiler may think that a header in it, written by way of another type, is not part of it */
	memcpy(&frame, sent, sizeof(frame));
	assert_int_equal(gateway_egress(&gateway, &frame, from).reason, reason);
}

/* One port, which another host holds toward REMOTE:80; the datagram of INTERNAL that is refused because of that. */
static void fill(struct frame *ret_refused)
{
	struct frame *frame = ret_refused;

	gateway_reset(&gateway, "40000");
	frame_udp(frame, at(OTHER, 40000), at(REMOTE, 80), 10);
	send_as(frame, FROM_INTERNAL, TRANSLATED_NEW);
	assert_int_equal(gateway_take_events(&gateway), 0);
	frame_udp(frame, at(INTERNAL, 5000), at(REMOTE, 80), 10);
}

static struct endpoint event_owner(const struct event *event)
{
	return (struct endpoint){ .addr = event->owner_addr, .port = event->owner_port };
}

static void is_of(const struct event *event, enum reason reason, __u8 proto, struct endpoint src, struct endpoint dst)
{
	assert_int_equal(event->reason, reason);
	assert_int_equal(event->proto, proto);
	assert_true(endpoint_equal((struct endpoint){ .addr = event->src, .port = event->sport }, src));
	assert_true(endpoint_equal((struct endpoint){ .addr = event->dst, .port = event->dport }, dst));
	assert_int_equal(event->pid, 0);
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

static void refusal_is_told(void **state)
{
	struct frame frame;
	__u64 begin_ns = now_ns();
	const struct event *event = &gateway.event;

	(void)state;
	fill(&frame);
	send_as(&frame, FROM_INTERNAL, REFUSED_NO_PORT);
	assert_int_equal(gateway_take_events(&gateway), 1);
	is_of(event, REFUSED_NO_PORT, IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 80));
	assert_in_range(event->time_ns, begin_ns, now_ns());
	assert_int_equal(event->owner, OWNER_SESSION);
	assert_true(endpoint_equal(event_owner(event), at(OTHER, 40000)));
	assert_int_equal(event->external, 0);
	assert_false(event->from_host || event->inbound || event->suppressed);
}

static void socket_in_the_way_is_told(void **state)
{
	struct frame frame;
	int fd;

	(void)state;
	gateway_reset(&gateway, "40000");
	fd = host_socket(SOCK_DGRAM, 40000);
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), 10);
	send_as(&frame, FROM_INTERNAL, REFUSED_NO_PORT);
	close(fd);
	assert_int_equal(gateway_take_events(&gateway), 1);
	assert_int_equal(gateway.event.owner, OWNER_HOST);
	assert_true(endpoint_equal(event_owner(&gateway.event), at(EXTERNAL, 40000)));
}

static void clashes_are_told(void **state)
{
	struct frame frame;

	(void)state;
	fill(&frame);
	frame_udp(&frame, at(EXTERNAL, 40000), at(REMOTE, 80), 10);
	send_as(&frame, FROM_HOST, REFUSED_CLASH);
	assert_int_equal(gateway_take_events(&gateway), 1);
	is_of(&gateway.event, REFUSED_CLASH, IPPROTO_UDP, at(EXTERNAL, 40000), at(REMOTE, 80));
	assert_true(gateway.event.from_host);
	assert_true(endpoint_equal(event_owner(&gateway.event), at(OTHER, 40000)));

	gateway_reset(&gateway, "40000-40001");
	frame_udp(&frame, at(OTHER, 40000), at(REMOTE, 80), 10);
	send_as(&frame, FROM_INTERNAL, TRANSLATED_NEW);
	frame_udp(&frame, at(EXTERNAL, 40000), at(REMOTE, 80), 10);
	send_as(&frame, FROM_HOST, TRANSLATED_CLASH);
	assert_int_equal(gateway_take_events(&gateway), 1);
	is_of(&gateway.event, TRANSLATED_CLASH, IPPROTO_UDP, at(EXTERNAL, 40000), at(REMOTE, 80));
	assert_int_equal(gateway.event.external, inet_addr(EXTERNAL));
	assert_int_equal(gateway.event.external_port, htons(40001));
	/* it was not lost */
	for (__u32 ring = 0; ring < NUM_FAILURE_RING; ring++)
		assert_int_equal(gateway.header->num_failures[ring], 0);
}

static void shared_port_is_told(void **state)
{
	struct frame frame;

	(void)state;
	fill(&frame);
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 81), 10);
	send_as(&frame, FROM_INTERNAL, TRANSLATED_SHARED);
	assert_int_equal(gateway_take_events(&gateway), 1);
	is_of(&gateway.event, TRANSLATED_SHARED, IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 81));
	assert_int_equal(gateway.event.external_port, htons(40000));
}

/* Nothing is told of ordinary packets, nor of garbage. */
static void others_are_not_told(void **state)
{
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_udp(&frame, at(INTERNAL, 40003), at(REMOTE, 80), 10);
	send_as(&frame, FROM_INTERNAL, TRANSLATED_NEW);
	send_as(&frame, FROM_INTERNAL, TRANSLATED_OUTBOUND);
	frame_ip(&frame)->check ^= 1;
	send_as(&frame, FROM_INTERNAL, DROPPED_IP_CHECKSUM);
	frame_other(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), IPPROTO_GRE);
	send_as(&frame, FROM_INTERNAL, REFUSED_PROTOCOL);
	assert_int_equal(gateway_take_events(&gateway), 0);
}

/* Every refusal is told of, or counted with one that is, or still to be counted with the next. */
static void are_limited(void **state)
{
	struct frame frame;
	struct limit limit;
	__u32 num = 0, told;

	(void)state;
	fill(&frame);
	do {
		send_as(&frame, FROM_INTERNAL, REFUSED_NO_PORT);
		num++;
		gateway_read_limit(&gateway, REFUSED_NO_PORT, &limit);
	} while (limit.suppressed < 20);
	told = gateway_take_events(&gateway);
	assert_in_range(told, LIMIT_EVENTS_PER_S, num - 20);
	assert_int_equal(told + gateway.num_suppressed + limit.suppressed, num);
	assert_int_equal(limit.suppressed_ever, gateway.num_suppressed + limit.suppressed);
	assert_int_equal(gateway.counters[REFUSED_NO_PORT], num);
	assert_int_equal(gateway.header->num_failures[reason_failure_ring(REFUSED_NO_PORT)], num);

	/* a reason does not take from another's allowance */
	frame_udp(&frame, at(EXTERNAL, 40000), at(REMOTE, 80), 10);
	send_as(&frame, FROM_HOST, REFUSED_CLASH);
	assert_int_equal(gateway_take_events(&gateway), 1);
	assert_int_equal(gateway.event.reason, REFUSED_CLASH);
	assert_int_equal(gateway.event.suppressed, 0);

	/* in a new second the next one tells */
	limit.second--;
	gateway_write_limit(&gateway, REFUSED_NO_PORT, &limit);
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 80), 10);
	send_as(&frame, FROM_INTERNAL, REFUSED_NO_PORT);
	assert_int_equal(gateway_take_events(&gateway), 1);
	assert_int_equal(gateway.event.suppressed, limit.suppressed);
	gateway_read_limit(&gateway, REFUSED_NO_PORT, &limit);
	assert_int_equal(limit.suppressed, 0);
}

/* Nobody reads: what does not fit is counted, and told by the first that fits again. */
static void full_ring_loses_no_count(void **state)
{
	struct frame frame;
	struct limit limit = { 0 };
	__u32 num = 0, told, lost;

	(void)state;
	fill(&frame);
	while (limit.suppressed < 100) {
		/* a new second for each */
		limit.second--;
		gateway_write_limit(&gateway, REFUSED_NO_PORT, &limit);
		send_as(&frame, FROM_INTERNAL, REFUSED_NO_PORT);
		assert_in_range(++num, 1, 2 * RING_SIZE / EVENT_SIZE);
		gateway_read_limit(&gateway, REFUSED_NO_PORT, &limit);
	}
	lost = limit.suppressed;
	assert_int_equal(limit.suppressed_ever, lost);
	told = gateway_take_events(&gateway);
	assert_in_range(told, RING_SIZE / EVENT_SIZE - 1, RING_SIZE / EVENT_SIZE);
	assert_int_equal(told + lost, num);
	assert_int_equal(gateway.num_suppressed, 0);
	send_as(&frame, FROM_INTERNAL, REFUSED_NO_PORT);
	assert_int_equal(gateway_take_events(&gateway), 1);
	assert_int_equal(gateway.event.suppressed, lost);
	gateway_check(&gateway);
}

/* ---- failures -------------------------------------------------------------------------------------------------- */

static void refusal_is_kept(void **state)
{
	struct frame frame;
	__u32 ring = reason_failure_ring(REFUSED_NO_PORT);
	__u64 begin_ns = now_ns();
	struct event event;

	(void)state;
	fill(&frame);
	for (int i = 0; i < 50; i++)
		send_as(&frame, FROM_INTERNAL, REFUSED_NO_PORT);
	assert_int_equal(gateway.header->num_failures[ring], 50);
	for (__u32 n = 0; n < 50; n++) {
		event = gateway_failure(&gateway, ring, n);
		is_of(&event, REFUSED_NO_PORT, IPPROTO_UDP, at(INTERNAL, 5000), at(REMOTE, 80));
		assert_true(endpoint_equal(event_owner(&event), at(OTHER, 40000)));
		assert_in_range(event.time_ns, begin_ns, now_ns());
		begin_ns = event.time_ns;
	}
}

/* Of all reasons one ring; which way they went is told. */
static void drops_are_kept(void **state)
{
	struct frame frame;
	struct event event;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_tcp(&frame, at(INTERNAL, 40003), at(REMOTE, 80), LIFE_RST, 0);
	send_as(&frame, FROM_INTERNAL, DROPPED_NO_SESSION);
	frame_udp(&frame, at("127.0.0.1", 53), at(EXTERNAL, 40003), 10);
	assert_int_equal(gateway_ingress(&gateway, &frame, 0).reason, DROPPED_MARTIAN);
	frame_tcp(&frame, at(EXTERNAL, 40003), at(REMOTE, 80), LIFE_ACK, 0);
	frame_ip(&frame)->check ^= 1;
	send_as(&frame, FROM_HOST, DROPPED_IP_CHECKSUM);
	assert_int_equal(gateway.header->num_failures[0], 3);

	event = gateway_failure(&gateway, 0, 0);
	is_of(&event, DROPPED_NO_SESSION, IPPROTO_TCP, at(INTERNAL, 40003), at(REMOTE, 80));
	assert_false(event.inbound || event.from_host);
	event = gateway_failure(&gateway, 0, 1);
	is_of(&event, DROPPED_MARTIAN, IPPROTO_UDP, at("127.0.0.1", 53), at(EXTERNAL, 40003));
	assert_true(event.inbound && !event.from_host);
	event = gateway_failure(&gateway, 0, 2); /* nothing that is read from a broken header is believed */
	is_of(&event, DROPPED_IP_CHECKSUM, 0, at("0.0.0.0", 0), at("0.0.0.0", 0));
	assert_true(!event.inbound && event.from_host);
}

/* The oldest gives way, and no other ring is touched; also when the count itself wraps around. */
static void ring_wraps(void **state)
{
	static const __u32 start[] = { FAILURE_RING_SIZE - 2, 5 * FAILURE_RING_SIZE - 1, (__u32)-2 };
	__u32 ring = reason_failure_ring(REFUSED_NO_PORT);
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof(start) / sizeof(start[0]); i++) {
		fill(&frame);
		gateway.header->num_failures[ring] = start[i];
		for (__u32 n = 0; n < 4; n++) {
			__u64 begin_ns = now_ns();
			struct event event;

			frame_udp(&frame, at(INTERNAL, 6000 + n), at(REMOTE, 80), 10);
			send_as(&frame, FROM_INTERNAL, REFUSED_NO_PORT);
			event = gateway_failure(&gateway, ring, start[i] + n);
			is_of(&event, REFUSED_NO_PORT, IPPROTO_UDP, at(INTERNAL, 6000 + n), at(REMOTE, 80));
			assert_true(event.time_ns >= begin_ns);
		}
		assert_int_equal(gateway.header->num_failures[ring], start[i] + 4);
		for (__u32 other = 0; other < NUM_FAILURE_RING; other++)
			if (other != ring)
				assert_int_equal(gateway.header->num_failures[other], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusal_is_told),          cmocka_unit_test(socket_in_the_way_is_told),
		cmocka_unit_test(clashes_are_told),         cmocka_unit_test(shared_port_is_told),
		cmocka_unit_test(others_are_not_told),      cmocka_unit_test(are_limited),
		cmocka_unit_test(full_ring_loses_no_count), cmocka_unit_test(refusal_is_kept),
		cmocka_unit_test(drops_are_kept),           cmocka_unit_test(ring_wraps),
	};

	return gateway_run_tests(&gateway, 1024, tests, sizeof(tests) / sizeof(tests[0]));
}
