/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quotas where sessions are made and end: whatever comes between, what is counted is what is there. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gateway.h"
#include "quota.h"
#include "quota_check.h"

static struct quota_map map;

static void open_gateway(struct gateway *gateway, const char *ranges, __u32 num_buckets)
{
	memset(&map, 0, sizeof(map));
	map.max = QUOTA_MAP_SLOTS;
	quota_map = &map;
	gateway_open(gateway, ranges, num_buckets);
}

static void report(const struct violation *violation, void *ctx)
{
	(void)ctx;
	print_error("%s\n", violation->text);
}

static void close_gateway(struct gateway *gateway)
{
	assert_int_equal(quota_check(-1, report, NULL), 0);
	gateway_close(gateway);
	quota_map = NULL;
}

static struct endpoint endpoint_of(const char *addr, __u16 port)
{
	return (struct endpoint){ .addr = inet_addr(addr), .port = htons(port) };
}

static enum reason send_udp(struct gateway *gateway, const char *internal, __u16 port, __u16 remote_port)
{
	return gateway_send(gateway, IPPROTO_UDP, endpoint_of(internal, port), endpoint_of(REMOTE, remote_port), NULL);
}

static __u32 find_session(const char *internal, __u16 port, __u16 remote_port)
{
	struct pair session = {
		.internal = endpoint_of(internal, port),
		.remote = endpoint_of(REMOTE, remote_port),
		.proto = IPPROTO_UDP,
	};
	struct key key = pair_key(&session, 0);

	return store_find(&key);
}

static void assert_counts(const char *addr, __u32 sessions, __u32 ports)
{
	struct quota *quota = platform_quota_find(inet_addr(addr));

	assert_int_equal(quota ? quota->num_sessions : 0, sessions);
	assert_int_equal(quota ? quota->num_ports : 0, ports);
	assert_int_equal(quota_check(-1, report, NULL), 0);
}

/* ---- each reason ---------------------------------------------------------------------------------------------- */

static void sessions_are_limited(void **state)
{
	struct gateway gateway;

	(void)state;
	open_gateway(&gateway, "50000-50999", 256);
	gateway.world.config.max_sessions = 2;
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53), TRANSLATED_NEW);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 54), TRANSLATED_NEW);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 55), REFUSED_QUOTA_SESSIONS);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1001, 53), REFUSED_QUOTA_SESSIONS);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53), TRANSLATED_OUTBOUND);
	assert_int_equal(send_udp(&gateway, OTHER_INTERNAL, 1000, 53), TRANSLATED_NEW);
	assert_counts(INTERNAL, 2, 1);
	assert_counts(OTHER_INTERNAL, 1, 1);
	close_gateway(&gateway);
}

static void ports_are_limited(void **state)
{
	struct gateway gateway;

	(void)state;
	open_gateway(&gateway, "50000-50999", 256);
	gateway.world.config.max_ports = 1;
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53), TRANSLATED_NEW);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1001, 53), REFUSED_QUOTA_PORTS);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 54), TRANSLATED_NEW);
	assert_int_equal(send_udp(&gateway, OTHER_INTERNAL, 1000, 53), TRANSLATED_NEW);
	/* what was refused for its port is not counted as a session either */
	assert_counts(INTERNAL, 2, 1);
	close_gateway(&gateway);
}

static void the_rate_is_limited(void **state)
{
	struct gateway gateway;

	(void)state;
	open_gateway(&gateway, "50000-50999", 256);
	gateway.world.config.max_new_per_s = 2;
	for (int second = 0; second < 3; second++) {
		assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53 + 10 * second), TRANSLATED_NEW);
		assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 54 + 10 * second), TRANSLATED_NEW);
		assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 55 + 10 * second), REFUSED_QUOTA_RATE);
		assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53), TRANSLATED_OUTBOUND);
		platform.now++;
	}
	close_gateway(&gateway);
}

static void one_host_too_many_finds_no_room(void **state)
{
	struct gateway gateway;

	(void)state;
	open_gateway(&gateway, "50000-50999", 256);
	gateway.world.config.max_sessions = 2;
	map.max = 1;
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53), TRANSLATED_NEW);
	assert_int_equal(send_udp(&gateway, OTHER_INTERNAL, 1000, 53), REFUSED_NO_ROOM);
	close_gateway(&gateway);
}

static void what_fails_for_another_reason_is_given_back(void **state)
{
	struct gateway gateway;

	(void)state;
	open_gateway(&gateway, "50000", 256);
	gateway.world.config.max_sessions = 5;
	gateway.world.config.max_new_per_s = 1;
	gateway_hold(&gateway, IPPROTO_UDP, endpoint_of(EXTERNAL, 50000), endpoint_of(REMOTE, 53));
	for (int n = 0; n < 5; n++)
		assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53), REFUSED_NO_PORT);
	assert_counts(INTERNAL, 0, 0);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 54), TRANSLATED_NEW);
	close_gateway(&gateway);
}

/* The gateway's own host has no quota. */
static void the_host_is_not_limited(void **state)
{
	struct gateway gateway;
	struct frame frame;

	(void)state;
	open_gateway(&gateway, "50000-50999", 256);
	gateway.world.config.max_sessions = 1;
	for (__u16 id = 1; id < 5; id++) {
		frame_icmp(&frame, inet_addr(EXTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO, id);
		assert_int_equal(gateway_outbound(&gateway, &frame, ORIGIN_HOST), TRANSLATED_NEW);
	}
	assert_counts(EXTERNAL, 0, 0);
	close_gateway(&gateway);
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

static void what_is_older_than_the_quotas_is_not_counted_down(void **state)
{
	struct gateway gateway;

	(void)state;
	open_gateway(&gateway, "50000-50999", 256);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53), TRANSLATED_NEW);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1001, 53), TRANSLATED_NEW);
	gateway.world.config.max_sessions = 1;
	platform.now += 200;
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 54), TRANSLATED_NEW);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 55), REFUSED_QUOTA_SESSIONS);
	assert_counts(INTERNAL, 1, 0);
	platform.now += 101;
	gateway_sweep(&gateway);
	platform.now += 3;
	assert_int_equal(gateway_sweep(&gateway), 2);
	assert_counts(INTERNAL, 1, 0);
	gateway.world.config.max_sessions = 0;
	platform.now += 200;
	gateway_sweep(&gateway);
	platform.now += 3;
	assert_int_equal(gateway_sweep(&gateway), 1);
	assert_counts(INTERNAL, 0, 0);
	close_gateway(&gateway);
}

/* A port at rest is kept for its internal endpoint, so it is its host's. */
static void a_port_that_rests_counts(void **state)
{
	struct gateway gateway;

	(void)state;
	open_gateway(&gateway, "50000-50999", 256);
	gateway.world.config.max_ports = 1;
	gateway.world.config.rest_s = 120;
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53), TRANSLATED_NEW);
	platform.now += 300;
	gateway_sweep(&gateway);
	platform.now += 3;
	assert_int_equal(gateway_sweep(&gateway), 1);
	assert_counts(INTERNAL, 0, 1);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1001, 53), REFUSED_QUOTA_PORTS);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53), TRANSLATED_NEW);
	assert_counts(INTERNAL, 1, 1);
	platform.now += 300;
	gateway_sweep(&gateway);
	platform.now += 3;
	gateway_sweep(&gateway);
	platform.now += 120;
	gateway_sweep(&gateway);
	assert_counts(INTERNAL, 0, 0);
	assert_int_equal(send_udp(&gateway, INTERNAL, 1001, 53), TRANSLATED_NEW);
	close_gateway(&gateway);
}

/* Whoever shares a port has none of his own: it is that of the one who has it mapped. */
static void a_shared_port_is_not_counted_twice(void **state)
{
	struct gateway gateway;

	(void)state;
	open_gateway(&gateway, "50000", 256);
	gateway.world.config.max_ports = 1;
	assert_int_equal(send_udp(&gateway, INTERNAL, 1000, 53), TRANSLATED_NEW);
	assert_int_equal(send_udp(&gateway, OTHER_INTERNAL, 1000, 54), TRANSLATED_SHARED);
	assert_counts(INTERNAL, 1, 1);
	assert_counts(OTHER_INTERNAL, 1, 0);
	/* the owner's session ends first: the port is his until the other's has ended */
	session_remove(find_session(INTERNAL, 1000, 53), &(struct session_room){});
	assert_counts(INTERNAL, 0, 1);
	session_remove(find_session(OTHER_INTERNAL, 1000, 54), &(struct session_room){});
	assert_counts(INTERNAL, 0, 0);
	assert_counts(OTHER_INTERNAL, 0, 0);
	close_gateway(&gateway);
}

/* ---- any sequence --------------------------------------------------------------------------------------------- */

#define STEPS 60000

static __u32 draw(__u32 num)
{
	return hash_scale(platform_random(), num);
}

static enum reason send_any(struct gateway *gateway)
{
	static const __u8 proto[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	static const char *const internal[] = { INTERNAL, OTHER_INTERNAL, "192.168.0.7", "192.168.0.8" };
	__u8 which = proto[draw(3)];

	return gateway_send(gateway, which, endpoint_of(internal[draw(4)], 1000 + draw(12)),
			    endpoint_of(draw(2) ? REMOTE : OTHER_REMOTE, which == IPPROTO_ICMP ? 0 : 53 + draw(4)),
			    NULL);
}

static void change_limits(struct gateway *gateway)
{
	gateway->world.config.max_sessions = draw(3) ? 4 + draw(12) : 0;
	gateway->world.config.max_ports = draw(3) ? 2 + draw(8) : 0;
	gateway->world.config.max_new_per_s = draw(3) ? 1 + draw(6) : 0;
	gateway->world.config.rest_s = draw(3) ? 0 : draw(100);
}

/* A table that is too small, ports that are too few, sockets that hold some: an attempt may fail anywhere. */
static void counts_are_what_is_there(void **state)
{
	__u32 seen[NUM_REASON] = {};
	struct gateway gateway;

	(void)state;
	open_gateway(&gateway, "50000-50004", 16);
	map.max = 4;
	gateway_hold(&gateway, IPPROTO_TCP, endpoint_of(EXTERNAL, 50003), (struct endpoint){});
	gateway_hold(&gateway, IPPROTO_UDP, endpoint_of(EXTERNAL, 50004), endpoint_of(REMOTE, 53));
	for (int step = 0; step < STEPS; step++) {
		__u32 index;

		switch (draw(40)) {
		case 0:
			change_limits(&gateway);
			break;
		case 1:
			platform.now += 1 + draw(40);
			gateway_sweep(&gateway);
			break;
		case 2:
		case 3:
		case 4:
			index = draw(gateway.world.num_entries);
			session_remove(index, &(struct session_room){});
			break;
		case 5:
			quota_reap(inet_addr(INTERNAL) + htonl(draw(4)));
			break;
		default:
			seen[send_any(&gateway)]++;
		}
		if (step % 64 == 0) {
			assert_int_equal(quota_check(-1, report, NULL), 0);
			gateway_check(&gateway);
		}
	}
	assert_true(seen[TRANSLATED_NEW] > 100);
	assert_true(seen[TRANSLATED_SHARED] > 100);
	assert_true(seen[REFUSED_NO_PORT] > 10);
	assert_true(seen[REFUSED_NO_ROOM] > 10);
	assert_true(seen[REFUSED_QUOTA_PORTS] > 100);
	assert_true(seen[REFUSED_QUOTA_SESSIONS] > 100);
	assert_true(seen[REFUSED_QUOTA_RATE] > 100);
	close_gateway(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_are_limited),
		cmocka_unit_test(ports_are_limited),
		cmocka_unit_test(the_rate_is_limited),
		cmocka_unit_test(one_host_too_many_finds_no_room),
		cmocka_unit_test(what_fails_for_another_reason_is_given_back),
		cmocka_unit_test(the_host_is_not_limited),
		cmocka_unit_test(what_is_older_than_the_quotas_is_not_counted_down),
		cmocka_unit_test(a_port_that_rests_counts),
		cmocka_unit_test(a_shared_port_is_not_counted_twice),
		cmocka_unit_test(counts_are_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
