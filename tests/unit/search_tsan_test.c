/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that search, create and remove toward a few crowded remotes over a few ports: no tuple twice, nothing left over, and
 * in the end every port is found again: what the bitmaps say is taken is what the store says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "create.h"
#include "expire.h"
#include "ranges.h"
#include "world.h"

#define NUM_THREADS 4
#define NUM_OPS 30000
#define NUM_PORT_USED 20
#define NUM_REMOTE 3
#define NUM_OWN 24 /* sessions that a thread keeps at a time */

static struct world world;

struct worker {
	pthread_t thread;
	__u32 number;
	__u32 made;
	__u32 refused;
};

static struct endpoint remote_at(__u32 n)
{
	return (struct endpoint){ .addr = htonl(0xc6336408), .port = htons(1000 + n) };
}

static enum create_result create(struct search *search, __u32 host, __u16 port, __u32 remote)
{
	search->session = (struct pair){
		.internal = { .addr = htonl(0xc0a80005 + host), .port = htons(port) },
		.remote = remote_at(remote),
		.proto = IPPROTO_UDP,
	};
	return create_session(NULL, search, 0);
}

static bool end(const struct pair *session)
{
	struct key key = pair_key(session, 0);

	/* it may be moved between the look-up and the removal */
	for (int i = 0; i < 100; i++) {
		__u32 index = store_find(&key);

		if (index != INDEX_NONE && session_remove(index, &(struct session_room){}))
			return true;
	}
	return false;
}

static void *work(void *ctx)
{
	struct pair own[NUM_OWN] = {};
	struct worker *worker = ctx;
	struct search search = {};
	bool lost = false;

	world_enter(&world, 77 + worker->number);
	for (__u32 i = 0; i < NUM_OPS; i++) {
		struct pair *session = &own[hash_scale(platform_random(), NUM_OWN)];

		if (session->proto) {
			lost |= !end(session);
			session->proto = 0;
		} else if (create(&search, worker->number, i % 60000 + 1, hash_scale(platform_random(), NUM_REMOTE)) <=
			   CREATE_SHARED) {
			*session = search.session;
			worker->made++;
		} else {
			worker->refused++;
		}
	}
	for (int i = 0; i < NUM_OWN; i++)
		if (own[i].proto)
			lost |= !end(&own[i]);
	return lost ? ctx : NULL;
}

static void agrees_after_a_crowd(void **state)
{
	struct worker worker[NUM_THREADS] = {};
	struct search search = {};
	struct ranges ranges = {};

	(void)state;
	world_open(&world, 512, 16, world_seed());
	ranges_add(&ranges, 40000, 40000 + NUM_PORT_USED - 1);
	assert_int_equal(ranges_to_config(&ranges, &world.config), 0);
	world.config.num_external = 1;
	world.config.external[0].addr = inet_addr("192.0.2.1");
	world.header.pool_addr[0] = inet_addr("192.0.2.1");
	memset(world.pool[SPACE_UDP].open, 0xff, sizeof(world.pool[SPACE_UDP].open));
	for (__u32 i = 0; i < NUM_THREADS; i++) {
		worker[i].number = i;
		assert_int_equal(pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
	}
	for (__u32 i = 0; i < NUM_THREADS; i++) {
		void *lost;

		pthread_join(worker[i].thread, &lost);
		assert_null(lost);
		assert_true(worker[i].made > NUM_OPS / 20);
		assert_true(worker[i].refused > 0);
	}
	assert_null(world_violation());
	assert_true(world_is_empty(&world));
	assert_true(world.header.num_crowds > 0);
	for (__u32 remote = 0; remote < NUM_REMOTE; remote++) {
		for (__u16 i = 0; i < NUM_PORT_USED; i++)
			assert_in_range(create(&search, 100 + remote, 100 + i, remote), CREATE_MAPPED, CREATE_SHARED);
		assert_int_equal(create(&search, 100 + remote, 999, remote), CREATE_NO_PORT);
	}
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_after_a_crowd),
	};

	return cmocka_run_group_tests_name("search with threads", tests, NULL, NULL);
}
