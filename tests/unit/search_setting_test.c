/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What settings ask of the search for a port: several external addresses, spilling, sharing or not, rest, borrowing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway.h"

#define NUM_BUCKETS 4096

static struct gateway gateway;
static struct search search;

static struct endpoint remote_at(__u32 n)
{
	return (struct endpoint){ .addr = htonl(0xc6336408), .port = htons(1000 + n) };
}

static struct endpoint internal_at(__u32 n)
{
	return (struct endpoint){ .addr = htonl(0xc0a80005 + n / 16), .port = htons(2000 + n % 16) };
}

static void open_gateway(const char *ranges)
{
	gateway_open(&gateway, ranges, NUM_BUCKETS);
	platform.ticks = 1000;
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

/* ---- several addresses ----------------------------------------------------------------------------------------- */

#define NUM_ADDR 4

static __be32 external_at(__u32 n)
{
	return htonl(0xc0000201 + n);
}

static void open_addresses(const char *ranges)
{
	struct config *config = &gateway.world.config;

	open_gateway(ranges);
	free(gateway.world.pool);
	gateway.world.pool = calloc(NUM_ADDR * NUM_SPACE, sizeof(struct pool));
	platform.pool = gateway.world.pool;
	platform.num_pools = NUM_ADDR * NUM_SPACE;
	gateway.world.header.num_pool_addrs = NUM_ADDR;
	config->num_external = NUM_ADDR;
	for (__u32 i = 0; i < NUM_ADDR; i++) {
		config->external[i] = (struct external){ .addr = external_at(i), .pool = i };
		gateway.world.header.pool_addr[i] = external_at(i);
	}
	for (__u32 i = 0; i < NUM_ADDR * NUM_SPACE; i++)
		memset(gateway.world.pool[i].open, 0xff, sizeof(gateway.world.pool[i].open));
}

static void pairs_a_host_with_one_address(void **state)
{
	__u32 hosts[NUM_ADDR] = {};

	(void)state;
	open_addresses("40000-40999");
	for (__u32 host = 0; host < 64; host++) {
		__be32 home = 0;

		for (__u32 i = 0; i < 8; i++) {
			assert_int_equal(create(internal_at(host * 16 + i), remote_at(i)), CREATE_MAPPED);
			if (!home)
				home = search.session.external.addr;
			assert_int_equal(search.session.external.addr, home);
		}
		hosts[ntohl(home) - 0xc0000201]++;
	}
	for (__u32 i = 0; i < NUM_ADDR; i++)
		assert_in_range(hosts[i], 4, 40);
	gateway_close(&gateway);
}

/* Hosts of the addresses that stay do not move when one goes. */
static void keeps_its_address_when_another_goes(void **state)
{
	__be32 home[64];

	(void)state;
	open_addresses("40000-40999");
	for (__u32 host = 0; host < 64; host++) {
		assert_int_equal(create(internal_at(host * 16), remote_at(0)), CREATE_MAPPED);
		home[host] = search.session.external.addr;
		end(&search.session);
	}
	gateway.world.config.external[1] = gateway.world.config.external[NUM_ADDR - 1];
	gateway.world.config.num_external--;
	gateway.world.config.generation++;
	for (__u32 host = 0; host < 64; host++) {
		assert_int_equal(create(internal_at(host * 16), remote_at(0)), CREATE_MAPPED);
		assert_int_not_equal(search.session.external.addr, external_at(1));
		if (home[host] != external_at(1))
			assert_int_equal(search.session.external.addr, home[host]);
	}
	gateway_close(&gateway);
}

static void spills_only_if_told(void **state)
{
	__be32 home;

	(void)state;
	open_addresses("40000-40003");
	gateway.world.config.on_full = ON_FULL_REFUSE;
	for (__u32 i = 0; i < 4; i++)
		assert_int_equal(create(internal_at(i), remote_at(0)), CREATE_MAPPED);
	home = search.session.external.addr;
	assert_int_equal(create(internal_at(4), remote_at(0)), CREATE_NO_PORT);
	gateway.world.config.spill = 1;
	for (__u32 i = 4; i < 4 * NUM_ADDR; i++) {
		assert_int_equal(create(internal_at(i), remote_at(0)), CREATE_MAPPED);
		assert_int_not_equal(search.session.external.addr, home);
	}
	/* another host: all addresses are full by now */
	assert_int_equal(create(internal_at(999), remote_at(0)), CREATE_NO_PORT);
	gateway_close(&gateway);
}

/* A crowd that is used up speaks of its own address only: neither of that of an old mapping, nor of those to spill to. */
static void finds_ports_of_other_addresses(void **state)
{
	struct config *config = &gateway.world.config;
	struct endpoint old = internal_at(16 * 99);
	__u32 life = life_make(PHASE_LIVE, 0, 0);
	__u32 other;

	(void)state;
	open_addresses("40000-40019");
	config->num_external = 2;
	assert_int_equal(create(old, remote_at(1)), CREATE_MAPPED);
	other = search.session.external.addr == external_at(0);
	config->external[0] = (struct external){ .addr = external_at(other), .pool = other };
	config->num_external = 1;
	config->generation++;
	for (__u32 i = 0; i < 20; i++)
		assert_int_equal(create(internal_at(i), remote_at(0)), CREATE_MAPPED);
	for (__u32 i = 20; i < 23; i++)
		assert_int_equal(create(internal_at(i), remote_at(0)), CREATE_NO_PORT);
	assert_int_equal(create(old, remote_at(0)), CREATE_MAPPED);
	assert_int_equal(search.session.external.addr, external_at(!other));
	/* also if the host itself has the mapping's tuple */
	end(&search.session);
	search.session.internal = search.session.external;
	search.session.flags = ENTRY_HOST;
	assert_int_equal(store_insert(&search.session, life, life, 0, false), INSERT_DONE);
	assert_int_equal(create(old, remote_at(0)), CREATE_SHARED);
	assert_int_equal(search.session.external.addr, external_at(!other));
	config->external[1] = (struct external){ .addr = external_at(2), .pool = 2 };
	config->num_external = 2;
	config->spill = 1;
	/* whichever of the two is their home */
	for (__u32 host = 2; host < 12; host++) {
		assert_int_equal(create(internal_at(16 * host), remote_at(0)), CREATE_MAPPED);
		assert_int_equal(search.session.external.addr, external_at(2));
	}
	gateway_close(&gateway);
}

/* ---- sharing, rest, borrowing ---------------------------------------------------------------------------------- */

static void refuses_to_share_if_told(void **state)
{
	(void)state;
	open_gateway("40000-40003");
	for (__u32 i = 0; i < 4; i++)
		assert_int_equal(create(internal_at(i), remote_at(0)), CREATE_MAPPED);
	gateway.world.config.on_full = ON_FULL_REFUSE;
	assert_int_equal(create(internal_at(4), remote_at(1)), CREATE_NO_PORT);
	gateway.world.config.on_full = ON_FULL_SHARE;
	assert_int_equal(create(internal_at(4), remote_at(1)), CREATE_SHARED);
	gateway_close(&gateway);
}

/* RFC 6888 REQ-8: the port is nobody's for a while, but of the endpoint that had it. */
static void rests_a_freed_port(void **state)
{
	struct pair first;

	(void)state;
	open_gateway("40000");
	gateway.world.config.rest_s = 120;
	assert_int_equal(create(internal_at(0), remote_at(0)), CREATE_MAPPED);
	first = search.session;
	for (int i = 0; i < 3; i++) {
		platform.now += 301;
		gateway_sweep(&gateway);
		platform.now += EXPIRE_GRACE_S;
		assert_int_equal(gateway_sweep(&gateway), 1);
		assert_int_equal(gateway.world.header.num_mappings, 1);
		assert_int_equal(create(internal_at(1), remote_at(0)), CREATE_NO_PORT);
		assert_int_equal(create(internal_at(1), remote_at(1)), CREATE_NO_PORT);
		platform.now += 60;
		assert_int_equal(create(first.internal, remote_at(i)), CREATE_MAPPED);
		assert_int_equal(gateway_count_refs(IPPROTO_UDP, first.internal), 1);
		gateway_check(&gateway);
	}
	platform.now += 301;
	gateway_sweep(&gateway);
	platform.now += EXPIRE_GRACE_S;
	gateway_sweep(&gateway);
	platform.now += 119;
	gateway_sweep(&gateway);
	assert_int_equal(gateway.world.header.num_mappings, 1);
	platform.now += 1;
	gateway_sweep(&gateway);
	assert_true(world_is_empty(&gateway.world));
	assert_int_equal(create(internal_at(1), remote_at(0)), CREATE_MAPPED);
	gateway_close(&gateway);
}

static void borrows_no_port_of_the_host(void **state)
{
	static struct host_ports host_ports[2];

	(void)state;
	open_gateway("40000-40009");
	memset(host_ports, 0, sizeof(host_ports));
	platform.host_ports = host_ports;
	for (__u32 i = 0; i < 9; i++)
		host_ports[SPACE_UDP].held[40000 / 64] |= 1ull << (40000 + i) % 64;
	assert_int_equal(create(internal_at(0), remote_at(0)), CREATE_MAPPED);
	end(&search.session);
	gateway.world.config.borrow = 1;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(create(internal_at(i), remote_at(0)), CREATE_MAPPED);
		assert_int_equal(chosen(), 40009);
		end(&search.session);
	}
	assert_int_equal(create(internal_at(0), remote_at(0)), CREATE_MAPPED);
	assert_int_equal(create(internal_at(1), remote_at(0)), CREATE_NO_PORT);
	/* among themselves internal hosts still share it */
	assert_int_equal(create(internal_at(1), remote_at(1)), CREATE_SHARED);
	assert_int_equal(chosen(), 40009);
	gateway_close(&gateway);
}

/* A socket takes the port while the sockets are asked, after the bitmap was read. */
static struct host_ports *taken_meanwhile;

static bool takes_meanwhile(void *hook, const struct tuple *inbound)
{
	__u16 port = ntohs(inbound->dport);

	(void)hook;
	if (port == 40001)
		taken_meanwhile[SPACE_UDP].held[port / 64] |= 1ull << port % 64;
	return false;
}

static void gives_way_to_a_socket_that_was_faster(void **state)
{
	static struct host_ports host_ports[2];

	(void)state;
	open_gateway("40000-40001");
	memset(host_ports, 0, sizeof(host_ports));
	platform.host_ports = taken_meanwhile = host_ports;
	platform.host_holds = takes_meanwhile;
	gateway.world.config.borrow = 1;
	assert_int_equal(create((struct endpoint){ .addr = inet_addr(INTERNAL), .port = htons(40001) }, remote_at(0)),
			 CREATE_MAPPED);
	assert_int_equal(chosen(), 40000);
	assert_int_equal(gateway.world.header.num_mappings, 1);
	gateway_close(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_a_host_with_one_address),
		cmocka_unit_test(keeps_its_address_when_another_goes),
		cmocka_unit_test(spills_only_if_told),
		cmocka_unit_test(finds_ports_of_other_addresses),
		cmocka_unit_test(refuses_to_share_if_told),
		cmocka_unit_test(rests_a_freed_port),
		cmocka_unit_test(borrows_no_port_of_the_host),
		cmocka_unit_test(gives_way_to_a_socket_that_was_faster),
	};

	return cmocka_run_group_tests_name("search_setting", tests, NULL, NULL);
}
