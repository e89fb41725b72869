/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The search for a port, held against a naive one that looks at every port: it finds one if and only if there is one, at any
 * occupancy, whoever holds the others, and shares a port only when none is without a mapping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gateway.h"
#include "invariant.h"
#include "ranges.h"

#define NUM_BUCKETS 4096
#define NUM_REMOTE 70 /* more than there are crowds */
#define MAX_SESSION 4096

/* As MAP-E cuts them: 15 slices of 16. */
static const char map_e[] = "4096-4111,8192-8207,12288-12303,16384-16399,20480-20495,24576-24591,28672-28687,"
			    "32768-32783,36864-36879,40960-40975,45056-45071,49152-49167,53248-53263,57344-57359,"
			    "61440-61455";

static struct gateway gateway;
static struct search search;

/* Sockets of the host: of a port toward one remote, or toward all. */
static __u8 socket_toward[NUM_REMOTE][NUM_PORTS];
static __u8 socket_listens[NUM_PORTS];

static struct pair session[MAX_SESSION]; /* that there are; .proto 0: none */

static struct endpoint remote_at(__u32 n)
{
	return (struct endpoint){ .addr = htonl(0xc6336408), .port = htons(1000 + n) };
}

static struct endpoint internal_at(__u32 n)
{
	return (struct endpoint){ .addr = htonl(0xc0a80005 + n / 16), .port = htons(2000 + n % 16) };
}

static bool host_holds(void *hook, const struct tuple *inbound)
{
	__u16 port = ntohs(inbound->dport);

	(void)hook;
	return socket_listens[port] || socket_toward[ntohs(inbound->sport) - 1000][port];
}

static void open_gateway(const char *ranges)
{
	gateway_open(&gateway, ranges, NUM_BUCKETS);
	platform.host_holds = host_holds;
	platform.ticks = 1000;
	memset(socket_toward, 0, sizeof(socket_toward));
	memset(socket_listens, 0, sizeof(socket_listens));
	memset(session, 0, sizeof(session));
}

static enum create_result create(struct endpoint internal, struct endpoint remote)
{
	search.session = (struct pair){ .internal = internal, .remote = remote, .proto = IPPROTO_UDP };
	return create_session(&gateway, &search, 0);
}

static __u16 chosen(void)
{
	return ntohs(search.session.external.port);
}

static void end(const struct pair *pair)
{
	struct key key = pair_key(pair, 0);

	assert_true(session_remove(store_find(&key), &(struct session_room){}));
}

/* ---- the naive search ----------------------------------------------------------------------------------------- */

static bool tuple_is_free(__be32 external, __u16 port, struct endpoint remote)
{
	struct pair pair = {
		.external = { .addr = external, .port = htons(port) },
		.remote = remote,
		.proto = IPPROTO_UDP,
	};
	struct key key = pair_key(&pair, ENTRY_INBOUND);

	return store_find(&key) == INDEX_NONE && !host_holds(NULL, &key.tuple);
}

struct census_of_ports {
	__u32 free;     /* tuples toward the remote */
	__u32 unmapped; /* of these, on ports without a mapping */
};

static struct census_of_ports count_ports(__be32 external, struct endpoint remote)
{
	struct census_of_ports count = {};
	struct pair mapping;

	for (__u32 port = 0; port < NUM_PORTS; port++) {
		if (!bitmap_has(gateway.world.config.ranges, port) || !tuple_is_free(external, port, remote))
			continue;
		count.free++;
		count.unmapped += !mapping_find_external(IPPROTO_UDP, external, htons(port), &mapping);
	}
	return count;
}

/* ---- exactness ------------------------------------------------------------------------------------------------ */

/* N ports, some of them held by sockets of the host: so many sessions toward one remote and no more, whoever they are of;
 * and for each that ends, one more.
 */
static void check_exactly(const char *ranges, __u32 num_listening, __u32 num_connected)
{
	__u32 num, made = 0;

	open_gateway(ranges);
	num = gateway.world.config.num_ports - num_listening - num_connected;
	for (__u32 i = 0; i < num_listening + num_connected; i++) {
		__u16 port = port_at(&gateway.world.config, i * 11 % gateway.world.config.num_ports);

		*(i < num_listening ? &socket_listens[port] : &socket_toward[0][port]) = 1;
	}
	for (__u32 i = 0; made < num; i++) {
		assert_in_range(create(internal_at(i), remote_at(0)), CREATE_MAPPED, CREATE_SHARED);
		session[made++] = search.session;
	}
	for (int i = 0; i < 5; i++)
		assert_int_equal(create(internal_at(3000 + i), remote_at(0)), CREATE_NO_PORT);
	for (__u32 round = 0; round < 3 && num; round++) {
		__u32 ended = 1 + hash_scale(platform_random(), num);

		for (__u32 i = 0; i < ended; i++)
			end(&session[i]);
		for (__u32 i = 0; i < ended; i++) {
			assert_in_range(create(internal_at(3000 + i), remote_at(0)), CREATE_MAPPED, CREATE_SHARED);
			session[i] = search.session;
		}
		assert_int_equal(create(internal_at(2999), remote_at(0)), CREATE_NO_PORT);
		for (__u32 i = 0; i < ended; i++)
			end(&session[i]);
		for (__u32 i = 0; i < ended; i++) {
			assert_in_range(create(internal_at(i), remote_at(0)), CREATE_MAPPED, CREATE_SHARED);
			session[i] = search.session;
		}
	}
	gateway_close(&gateway);
}

static void gives_every_port_and_no_more(void **state)
{
	(void)state;
	check_exactly("50000", 0, 0);
	check_exactly("40000-40006", 1, 1);
	check_exactly("40000-40063", 0, 0);
	check_exactly("40001-40100", 20, 30);
	check_exactly(map_e, 0, 0);
	check_exactly(map_e, 60, 100);
	check_exactly("64000-65535", 0, 700);
}

/* ---- anything, in any order ----------------------------------------------------------------------------------- */

static void create_something(void)
{
	__u32 n = hash_scale(platform_random(), MAX_SESSION);
	struct endpoint internal = internal_at(hash_scale(platform_random(), 120));
	struct endpoint remote = remote_at(hash_scale(platform_random(), 3));
	struct pair mapping, wanted = { .internal = internal, .remote = remote, .proto = IPPROTO_UDP };
	struct key key = pair_key(&wanted, 0);
	struct census_of_ports before;
	enum create_result result;
	__u32 index;
	bool mapped;

	if (session[n].proto || store_find(&key) != INDEX_NONE)
		return;
	mapped = mapping_find(IPPROTO_UDP, internal, &mapping, &index);
	before = count_ports(inet_addr(EXTERNAL), remote);
	result = create(internal, remote);
	if (!before.free) {
		assert_int_equal(result, CREATE_NO_PORT);
		return;
	}
	assert_in_range(result, CREATE_MAPPED, CREATE_SHARED);
	assert_true(bitmap_has(gateway.world.config.ranges, chosen()));
	if (result == CREATE_SHARED)
		assert_true(mapped || !before.unmapped);
	session[n] = search.session;
}

static void agrees_with_a_naive_search(void **state)
{
	(void)state;
	open_gateway("40000-40019,41000,42000-42063");
	for (int i = 0; i < 40000; i++) {
		__u32 n = hash_scale(platform_random(), MAX_SESSION);
		__u16 port =
			port_at(&gateway.world.config, hash_scale(platform_random(), gateway.world.config.num_ports));

		switch (platform_random() % 8) {
		case 0:
			socket_listens[port] = !socket_listens[port] && platform_random() % 4 == 0;
			break;
		case 1:
			socket_toward[platform_random() % 3][port] = platform_random() % 3 == 0;
			break;
		case 2:
		case 3:
			for (__u32 tries = 0; tries < MAX_SESSION && !session[n].proto; tries++)
				n = (n + 1) % MAX_SESSION;
			if (session[n].proto)
				end(&session[n]);
			session[n].proto = 0;
			break;
		default:
			/* sockets that have closed are believed in for so long */
			platform.ticks += 3;
			create_something();
		}
		if (i % 4000 == 0)
			gateway_check(&gateway);
	}
	gateway_close(&gateway);
}

/* More crowded remotes than there is room for: they give way to each other, and nothing is lost but time. */
static void forgets_a_crowd_for_another(void **state)
{
	(void)state;
	open_gateway("40000-40031");
	for (int round = 0; round < 3; round++)
		for (__u32 n = 0; n < NUM_REMOTE; n++) {
			for (__u32 i = 0; i < 32; i++)
				if (round == 0)
					assert_in_range(create(internal_at(i), remote_at(n)), CREATE_MAPPED,
							CREATE_SHARED);
			assert_int_equal(create(internal_at(40), remote_at(n)), CREATE_NO_PORT);
			platform.now++;
		}
	assert_true(gateway.world.header.num_crowds > NUM_CROWD);
	gateway_close(&gateway);
}

/* A full space is known: a refused search looks at no tuple but that of its own port. */
static __u32 num_asked;

static bool count_asked(void *hook, const struct tuple *inbound)
{
	num_asked++;
	return host_holds(hook, inbound);
}

static void is_cheap_when_all_is_taken(void **state)
{
	(void)state;
	open_gateway("40000-41999");
	for (__u32 i = 0; i < 2000; i++) {
		socket_toward[0][40000 + i] = i % 2;
		if (i < 1000)
			assert_int_equal(create(internal_at(i), remote_at(1)), CREATE_MAPPED);
	}
	for (__u32 i = 0; i < 1000; i++)
		assert_in_range(create(internal_at(i), remote_at(0)), CREATE_MAPPED, CREATE_SHARED);
	assert_int_equal(create(internal_at(3000), remote_at(0)), CREATE_NO_PORT);
	platform.host_holds = count_asked;
	num_asked = 0;
	assert_int_equal(create(internal_at(3001), remote_at(0)), CREATE_NO_PORT);
	assert_int_equal(num_asked, 0);
	/* a while later the sockets are asked again */
	platform.ticks += 1000 / CROWD_HOST_PER_TICK + 2;
	assert_int_equal(create(internal_at(3002), remote_at(0)), CREATE_NO_PORT);
	assert_int_equal(num_asked, 1000);
	gateway_close(&gateway);
}

/* ---- a port that is shared ------------------------------------------------------------------------------------ */

/* It is in use, and its mapping there, until the last session on it has gone, whoever made the mapping. */
static void stays_mapped_while_it_is_shared(void **state)
{
	struct pair owner, guest, mapping;

	(void)state;
	open_gateway("40000");
	assert_int_equal(create(internal_at(0), remote_at(0)), CREATE_MAPPED);
	owner = search.session;
	assert_int_equal(create(internal_at(1), remote_at(1)), CREATE_SHARED);
	guest = search.session;
	end(&owner);
	gateway_check(&gateway);
	assert_true(bitmap_has(gateway.world.pool[SPACE_UDP].used, 40000));
	/* the guest has no mapping of its own */
	assert_true(mapping_find_external(IPPROTO_UDP, inet_addr(EXTERNAL), htons(40000), &mapping));
	assert_true(endpoint_equal(mapping.internal, owner.internal));
	assert_int_equal(create(internal_at(0), remote_at(2)), CREATE_MAPPED);
	end(&search.session);
	end(&guest);
	assert_true(world_is_empty(&gateway.world));
	assert_false(bitmap_has(gateway.world.pool[SPACE_UDP].used, 40000));
	gateway_close(&gateway);
}

/* One that nobody has mapped gets a mapping of its own. */
static void gives_an_unmapped_port_a_mapping_of_its_own(void **state)
{
	struct pair mapping;

	(void)state;
	open_gateway("40000-40001");
	assert_int_equal(create(internal_at(0), remote_at(0)), CREATE_MAPPED);
	socket_toward[1][chosen()] = 1;
	assert_int_equal(create(internal_at(0), remote_at(1)), CREATE_SHARED);
	assert_true(mapping_find_external(IPPROTO_UDP, inet_addr(EXTERNAL), search.session.external.port, &mapping));
	assert_true(endpoint_equal(mapping.internal, mapping.external));
	assert_int_equal(gateway.world.header.num_mappings, 2);
	end(&search.session);
	assert_int_equal(gateway.world.header.num_mappings, 1);
	gateway_close(&gateway);
}

/* ---- words and summaries -------------------------------------------------------------------------------------- */

static void finds_bits(void **state)
{
	(void)state;
	for (__u32 bit = 0; bit < 64; bit++) {
		assert_int_equal(word_first(1ull << bit), bit);
		assert_int_equal(word_first(~0ull << bit), bit);
		assert_int_equal(word_first(1ull << bit | 1ull << 63), bit);
	}
}

static void finds_open_words_in_a_circle(void **state)
{
	__u64 one[SUMMARY_WORDS] = {}, all[SUMMARY_WORDS];

	(void)state;
	memset(all, 0xff, sizeof(all));
	for (__u32 from = 0; from < PORT_WORDS; from += 13) {
		assert_int_equal(summary_distance(NULL, NULL, from), 0);
		assert_int_equal(summary_distance(one, NULL, from), PORT_WORDS);
		assert_int_equal(summary_distance(all, one, from), PORT_WORDS);
		for (__u32 open = 0; open < PORT_WORDS; open += 7) {
			one[open / 64] = 1ull << open % 64;
			assert_int_equal(summary_distance(one, all, from), (open - from) % PORT_WORDS);
			assert_int_equal(summary_distance(NULL, one, from), (open - from) % PORT_WORDS);
			one[open / 64] = 0;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_every_port_and_no_more),
		cmocka_unit_test(agrees_with_a_naive_search),
		cmocka_unit_test(forgets_a_crowd_for_another),
		cmocka_unit_test(is_cheap_when_all_is_taken),
		cmocka_unit_test(stays_mapped_while_it_is_shared),
		cmocka_unit_test(gives_an_unmapped_port_a_mapping_of_its_own),
		cmocka_unit_test(finds_bits),
		cmocka_unit_test(finds_open_words_in_a_circle),
	};

	return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
