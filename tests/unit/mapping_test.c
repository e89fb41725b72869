/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings and how many sessions each of them serves: it comes with the first and goes with the last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"

static struct gateway gateway;

static void open_gateway(const char *ranges)
{
	gateway_open(&gateway, ranges, 256);
}

static __u32 session_index(__u8 proto, struct endpoint internal, struct endpoint remote)
{
	struct pair pair = { .internal = internal, .remote = remote, .proto = proto };
	struct key key = pair_key(&pair, 0);

	return store_find(&key);
}

static bool end_session(__u8 proto, struct endpoint internal, struct endpoint remote)
{
	return session_remove(session_index(proto, internal, remote), &(struct session_room){});
}

static enum reason send_udp(struct endpoint internal, struct endpoint remote)
{
	return gateway_send(&gateway, IPPROTO_UDP, internal, remote, NULL);
}

static void comes_and_goes_with_its_sessions(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000);

	(void)state;
	open_gateway("40000-40009");
	for (__u16 n = 1; n <= 20; n++) {
		assert_int_equal(send_udp(internal, at(REMOTE, n)), TRANSLATED_NEW);
		assert_int_equal(gateway_count_refs(IPPROTO_UDP, internal), n);
		assert_int_equal(gateway.world.header.num_mappings, 1);
	}
	for (__u16 n = 20; n >= 1; n--) {
		assert_int_equal(gateway_count_refs(IPPROTO_UDP, internal), n);
		assert_true(end_session(IPPROTO_UDP, internal, at(REMOTE, n)));
	}
	assert_true(world_is_empty(&gateway.world));
	gateway_close(&gateway);
}

/* RFC 7857 §5: a mapping of one protocol gives nothing to another. */
static void belongs_to_one_protocol(void **state)
{
	static const __u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };

	(void)state;
	open_gateway("40000-40009");
	for (int i = 0; i < 3; i++)
		gateway_send(&gateway, protos[i], at(INTERNAL, 5000), at(REMOTE, 0), NULL);
	assert_int_equal(gateway.world.header.num_mappings, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(gateway_count_refs(protos[i], at(INTERNAL, 5000)), 1);
		assert_true(end_session(protos[i], at(INTERNAL, 5000), at(REMOTE, 0)));
		assert_int_equal(gateway_count_refs(protos[i], at(INTERNAL, 5000)), 0);
	}
	assert_true(world_is_empty(&gateway.world));
	gateway_close(&gateway);
}

/* A session beside the mapping of its internal endpoint has no part in it. */
static void is_not_counted_by_who_shares(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000), external = { 0 };

	(void)state;
	open_gateway("40000-40009");
	gateway_send(&gateway, IPPROTO_UDP, internal, at(REMOTE, 1), &external);
	gateway_hold(&gateway, IPPROTO_UDP, external, at(REMOTE, 2));
	assert_int_equal(send_udp(internal, at(REMOTE, 2)), TRANSLATED_SHARED);
	assert_int_equal(gateway_count_refs(IPPROTO_UDP, internal), 1);
	assert_true(end_session(IPPROTO_UDP, internal, at(REMOTE, 2)));
	assert_int_equal(gateway_count_refs(IPPROTO_UDP, internal), 1);
	assert_true(end_session(IPPROTO_UDP, internal, at(REMOTE, 1)));
	assert_true(world_is_empty(&gateway.world));
	gateway_close(&gateway);
}

/* What is refused for want of room leaves no reference behind. */
static void is_given_back_when_there_is_no_room(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000);
	__u32 num = 0;
	enum reason reason;

	(void)state;
	gateway_open(&gateway, "40000-40009", 8);
	while ((reason = send_udp(internal, at(REMOTE, ++num))) == TRANSLATED_NEW)
		assert_int_equal(gateway_count_refs(IPPROTO_UDP, internal), num);
	assert_int_equal(reason, REFUSED_NO_ROOM);
	for (__u32 n = 0; n < 100; n++)
		send_udp(internal, at(OTHER_REMOTE, 1000 + n));
	gateway_check(&gateway);
	assert_int_equal(gateway_count_refs(IPPROTO_UDP, internal), gateway.world.header.num_sessions);
	gateway_close(&gateway);
}

/* The internal endpoint keeps its external one until then, and is given another one by chance only. */
static void outlives_some_of_its_sessions(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000), first = { 0 }, later = { 0 };

	(void)state;
	open_gateway("40000-49999");
	gateway_send(&gateway, IPPROTO_UDP, internal, at(REMOTE, 1), &first);
	send_udp(internal, at(REMOTE, 2));
	end_session(IPPROTO_UDP, internal, at(REMOTE, 1));
	gateway_send(&gateway, IPPROTO_UDP, internal, at(REMOTE, 1), &later);
	assert_true(endpoint_equal(first, later));
	gateway_close(&gateway);
}

/* Only a packet keeps a session; only sessions keep a mapping. */
static void ends_with_expiry(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000);

	(void)state;
	open_gateway("40000-40009");
	send_udp(internal, at(REMOTE, 1));
	platform.now += 200;
	send_udp(internal, at(REMOTE, 2));
	platform.now += 200;
	assert_int_equal(gateway_sweep(&gateway), 0);
	platform.now += EXPIRE_GRACE_S;
	assert_int_equal(gateway_sweep(&gateway), 1);
	assert_int_equal(gateway_count_refs(IPPROTO_UDP, internal), 1);
	platform.now += 200;
	gateway_sweep(&gateway);
	platform.now += EXPIRE_GRACE_S;
	assert_int_equal(gateway_sweep(&gateway), 1);
	assert_true(world_is_empty(&gateway.world));
	gateway_close(&gateway);
}

/* A mapping is no session: nothing that ends sessions ends it by itself. */
static void is_not_ended_by_itself(void **state)
{
	struct endpoint internal = at(INTERNAL, 5000);
	struct pair mapping = { 0 };
	__u32 index = INDEX_NONE;

	(void)state;
	open_gateway("40000-40009");
	send_udp(internal, at(REMOTE, 1));
	assert_true(mapping_find(IPPROTO_UDP, internal, &mapping, &index));
	assert_true(mapping_find_external(IPPROTO_UDP, mapping.external.addr, mapping.external.port, &mapping));
	assert_false(session_remove(index, &(struct session_room){}));
	assert_false(session_remove(store_entry(index)->twin, &(struct session_room){}));
	platform.now += 100000;
	assert_false(session_mark(&gateway.world.config, index));
	assert_true(mapping_find(IPPROTO_UDP, internal, &mapping, &index));
	gateway_close(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_and_goes_with_its_sessions),
		cmocka_unit_test(belongs_to_one_protocol),
		cmocka_unit_test(is_not_counted_by_who_shares),
		cmocka_unit_test(is_given_back_when_there_is_no_room),
		cmocka_unit_test(outlives_some_of_its_sessions),
		cmocka_unit_test(ends_with_expiry),
		cmocka_unit_test(is_not_ended_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
