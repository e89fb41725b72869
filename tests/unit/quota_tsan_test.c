/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quotas under threads: hosts that take and give back, and a reaper that removes their records between. Built with the
 * thread sanitizer.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "quota.h"
#include "world.h"

#define NUM_TAKER 3
#define NUM_HOST 3
#define ROUNDS 200000
#define MAX_ROUNDS (50 * ROUNDS)
#define MIN_REMOVED 100 /* on a busy machine the reaper has to wait for its turn */
#define MAX_SESSIONS 4
#define MAX_PORTS 3

struct crew {
	struct world world;
	struct quota_map map;
	__u64 seed;
	pthread_barrier_t barrier;
	int num_done;
	__u32 num_removed; /* records, by the reaper */
	struct taker {
		struct crew *crew;
		__u32 number;
		pthread_t thread;
		__u32 has[NUM_HOST][2]; /* by enum quota_item */
		__u32 num[QUOTA_NO_ROOM + 1];
		__u32 num_lost;   /* given back, and there was no record */
		__u32 num_beyond; /* taken, though this thread alone had as many as are allowed */
	} taker[NUM_TAKER + 1];
};

static void enter(struct taker *taker)
{
	world_enter(&taker->crew->world, taker->crew->seed + taker->number);
	quota_map = &taker->crew->map;
	pthread_barrier_wait(&taker->crew->barrier);
}

static void take(struct taker *taker, __u32 host, enum quota_item item)
{
	const struct config *cfg = platform_config();
	__u32 max = item == QUOTA_PORT ? cfg->max_ports : cfg->max_sessions;
	enum quota_result result = quota_take(host + 1, item);

	taker->num[result]++;
	if (result != QUOTA_COUNTED)
		return;
	if (++taker->has[host][item] > max)
		taker->num_beyond++;
}

static void give(struct taker *taker, __u32 host, enum quota_item item)
{
	enum quota_item what = item == QUOTA_SESSION && hash_scale(platform_random(), 2) ? QUOTA_ATTEMPT : item;

	if (!taker->has[host][item])
		return;
	taker->has[host][item]--;
	if (!quota_give(host + 1, what))
		taker->num_lost++;
}

/* Now and then a thread gives back all it has, so that records fall empty. */
static void give_all(struct taker *taker)
{
	for (__u32 host = 0; host < NUM_HOST; host++)
		while (taker->has[host][QUOTA_PORT] || taker->has[host][QUOTA_SESSION]) {
			give(taker, host, QUOTA_PORT);
			give(taker, host, QUOTA_SESSION);
		}
}

static bool goes_on(struct crew *crew, __u32 round)
{
	return round < ROUNDS ||
	       (round < MAX_ROUNDS && __atomic_load_n(&crew->num_removed, __ATOMIC_RELAXED) < MIN_REMOVED);
}

static void *take_and_give(void *arg)
{
	struct taker *taker = arg;

	enter(taker);
	for (__u32 round = 0; goes_on(taker->crew, round); round++) {
		__u32 host = hash_scale(platform_random(), NUM_HOST);
		enum quota_item item = hash_scale(platform_random(), 2);

		/* seconds pass, or nothing would ever be reaped */
		platform.now = 1000 + round;
		if (round % 32 == 0)
			give_all(taker);
		else if (hash_scale(platform_random(), 5) < 2)
			take(taker, host, item);
		else
			give(taker, host, item);
	}
	__atomic_fetch_add(&taker->crew->num_done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *reap(void *arg)
{
	struct taker *taker = arg;

	enter(taker);
	platform.now = 1000 + 2 * MAX_ROUNDS;
	while (__atomic_load_n(&taker->crew->num_done, __ATOMIC_SEQ_CST) < NUM_TAKER)
		if (quota_reap(1 + hash_scale(platform_random(), NUM_HOST)))
			__atomic_fetch_add(&taker->crew->num_removed, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void run(struct crew *crew)
{
	pthread_barrier_init(&crew->barrier, NULL, NUM_TAKER + 1);
	for (__u32 i = 0; i <= NUM_TAKER; i++) {
		crew->taker[i].crew = crew;
		crew->taker[i].number = i;
		assert_int_equal(pthread_create(&crew->taker[i].thread, NULL, i < NUM_TAKER ? take_and_give : reap,
						&crew->taker[i]),
				 0);
	}
	for (__u32 i = 0; i <= NUM_TAKER; i++)
		pthread_join(crew->taker[i].thread, NULL);
	pthread_barrier_destroy(&crew->barrier);
}

/* Whatever was counted is in the record, exactly, and no host ever had more than its limit. */
static void nothing_is_lost_and_nothing_is_beyond(void **state)
{
	static struct crew crew;
	__u32 uncounted = 0;

	(void)state;
	memset(&crew, 0, sizeof(crew));
	crew.seed = world_seed();
	world_open(&crew.world, 8, 1, crew.seed);
	crew.map.max = NUM_HOST;
	crew.world.config.max_sessions = MAX_SESSIONS;
	crew.world.config.max_ports = MAX_PORTS;
	run(&crew);
	quota_map = &crew.map;
	for (__u32 host = 0; host < NUM_HOST; host++) {
		struct quota *quota = platform_quota_find(host + 1);
		__u32 sessions = 0, ports = 0;

		for (__u32 i = 0; i < NUM_TAKER; i++) {
			sessions += crew.taker[i].has[host][QUOTA_SESSION];
			ports += crew.taker[i].has[host][QUOTA_PORT];
		}
		assert_int_equal(quota ? quota->num_sessions : 0, sessions);
		assert_int_equal(quota ? quota->num_ports : 0, ports);
		assert_true(sessions <= MAX_SESSIONS);
		assert_true(ports <= MAX_PORTS);
	}
	for (__u32 i = 0; i < NUM_TAKER; i++) {
		assert_int_equal(crew.taker[i].num_lost, 0);
		assert_int_equal(crew.taker[i].num_beyond, 0);
		assert_int_equal(crew.taker[i].num[QUOTA_NO_ROOM], 0);
		assert_true(crew.taker[i].num[QUOTA_COUNTED] > ROUNDS / 20);
		assert_true(crew.taker[i].num[QUOTA_NO_PORT] > 0);
		uncounted += crew.taker[i].num[QUOTA_UNCOUNTED];
	}
	print_message("# %u records removed, %u times none was to be had\n", crew.num_removed, uncounted);
	assert_true(crew.num_removed >= MIN_REMOVED);
	quota_map = NULL;
	world_close(&crew.world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_and_nothing_is_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
