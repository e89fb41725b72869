/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a session in its two steps, and the packets that come between them. */
#include <asm/byteorder.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "expire.h"
#include "world.h"

static struct pair session_make(__u8 proto)
{
	return (struct pair){
		.internal = { .addr = cpu_to_be32(0x0a000005), .port = cpu_to_be16(1234) },
		.external = { .addr = cpu_to_be32(0xc0000201), .port = cpu_to_be16(1234) },
		.remote = { .addr = cpu_to_be32(0xc6336401), .port = cpu_to_be16(proto == IPPROTO_ICMP ? 0 : 53) },
		.proto = proto,
	};
}

static void packet(const struct pair *pair, __u8 direction, __u32 tcp_flags)
{
	struct key key = pair_key(pair, direction);
	struct found found;

	if (!store_get(&key, &found)) {
		fail_msg("a packet finds no session");
		return;
	}
	store_touch(&found, tcp_flags);
}

/* How many seconds a session with these flags of the internal side lives, swept every second, while packets come each second in
 * one direction; 0 if longer than `limit_s`.
 */
static __u32 lives_on(const struct config *config, __u8 proto, __u32 out_flags, __u8 direction, __u32 flags,
		      __u32 limit_s)
{
	struct pair pair = session_make(proto);
	__u32 life_s = 0;
	struct world world;

	world_open(&world, 16, 2, 1);
	if (config) {
		memcpy(world.config.port_timeout, config->port_timeout, sizeof(config->port_timeout));
		world.config.num_port_timeouts = config->num_port_timeouts;
		world.config.inbound_refresh = config->inbound_refresh;
	}
	assert_int_equal(store_insert(&pair, life_make(PHASE_LIVE, LIFE_ACK, platform.now),
				      life_make(PHASE_LIVE, out_flags, platform.now), 0, false),
			 INSERT_DONE);
	for (__u32 s = 1; s <= limit_s && !life_s; s++) {
		struct key key = pair_key(&pair, 0);

		platform.now++;
		packet(&pair, direction, flags);
		if (session_mark(&world.config, store_find(&key)))
			session_reap(store_find(&key), EXPIRE_GRACE_S, &(struct session_room){});
		if (world_is_empty(&world))
			life_s = s;
		else
			assert_null(world_violation());
	}
	world_close(&world);
	return life_s;
}

static __u32 lives(__u8 proto, __u8 direction, __u32 flags, __u32 limit_s)
{
	return lives_on(NULL, proto, LIFE_ACK, direction, flags, limit_s);
}

/* RFC 4787 REQ-6: what the internal host sends keeps a mapping alive; what strangers send to it does not have to. */
static void inbound_packets_do_not_keep_udp_and_icmp(void **state)
{
	(void)state;
	assert_int_equal(lives(IPPROTO_UDP, ENTRY_INBOUND, 0, 10000), 300 + EXPIRE_GRACE_S);
	assert_int_equal(lives(IPPROTO_ICMP, ENTRY_INBOUND, 0, 10000), 60 + EXPIRE_GRACE_S);
}

static void outbound_packets_do(void **state)
{
	(void)state;
	assert_int_equal(lives(IPPROTO_UDP, 0, 0, 10000), 0);
	assert_int_equal(lives(IPPROTO_ICMP, 0, 0, 10000), 0);
}

static void both_keep_tcp(void **state)
{
	(void)state;
	assert_int_equal(lives(IPPROTO_TCP, 0, LIFE_ACK, 10000), 0);
	assert_int_equal(lives(IPPROTO_TCP, ENTRY_INBOUND, LIFE_ACK, 10000), 0);
}

/* RFC 4787 REQ-6a. */
static void inbound_packets_keep_udp_on_demand(void **state)
{
	static const struct config refresh = { .inbound_refresh = 1 };

	(void)state;
	assert_int_equal(lives_on(&refresh, IPPROTO_UDP, 0, ENTRY_INBOUND, 0, 10000), 0);
	assert_int_equal(lives_on(&refresh, IPPROTO_UDP, 0, 0, 0, 10000), 0);
	assert_int_equal(lives_on(&refresh, IPPROTO_ICMP, 0, ENTRY_INBOUND, 0, 10000), 60 + EXPIRE_GRACE_S);
}

/* RFC 7857 §7.1. */
static void nothing_but_a_new_packet_of_its_own_keeps_what_the_internal_side_has_reset(void **state)
{
	(void)state;
	assert_int_equal(lives_on(NULL, IPPROTO_TCP, LIFE_ACK | LIFE_RST, ENTRY_INBOUND, LIFE_ACK, 10000),
			 240 + EXPIRE_GRACE_S);
	assert_int_equal(lives_on(NULL, IPPROTO_TCP, LIFE_ACK | LIFE_RST, ENTRY_INBOUND, LIFE_RST, 10000),
			 240 + EXPIRE_GRACE_S);
	assert_int_equal(lives_on(NULL, IPPROTO_TCP, LIFE_ACK | LIFE_RST, 0, LIFE_RST, 10000), 240 + EXPIRE_GRACE_S);
	assert_int_equal(lives_on(NULL, IPPROTO_TCP, LIFE_ACK | LIFE_RST, 0, LIFE_ACK, 10000), 0);
}

static void the_remote_port_decides(void **state)
{
	static const struct config config = {
		.num_port_timeouts = 2,
		.port_timeout = {
			{ .proto = IPPROTO_TCP, .port = __constant_htons(53), .timeout_s = 1000 },
			{ .proto = IPPROTO_UDP, .port = __constant_htons(53), .timeout_s = 30 },
		},
	};

	(void)state;
	assert_int_equal(lives_on(&config, IPPROTO_UDP, 0, ENTRY_INBOUND, 0, 10000), 30 + EXPIRE_GRACE_S);
	assert_int_equal(lives_on(&config, IPPROTO_ICMP, 0, ENTRY_INBOUND, 0, 10000), 60 + EXPIRE_GRACE_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inbound_packets_do_not_keep_udp_and_icmp),
		cmocka_unit_test(outbound_packets_do),
		cmocka_unit_test(both_keep_tcp),
		cmocka_unit_test(inbound_packets_keep_udp_on_demand),
		cmocka_unit_test(nothing_but_a_new_packet_of_its_own_keeps_what_the_internal_side_has_reset),
		cmocka_unit_test(the_remote_port_decides),
	};

	return cmocka_run_group_tests_name("expire", tests, NULL, NULL);
}
