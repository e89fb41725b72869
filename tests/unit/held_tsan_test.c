/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Held fragments under threads: two bring later fragments while two others have the first ones. Each is had by exactly one,
 * and none is left behind. Built with the thread sanitizer.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "held.h"
#include "world.h"

#define NUM_THREAD 4
#define NUM_DATAGRAM 64
#define PIECES 16 /* that each of the two brings of a datagram */
#define ROUNDS 40

struct crew {
	struct world world;
	struct held_ring *ring;
	pthread_barrier_t barrier;
	__u32 begun;                        /* datagrams, of which somebody has brought something */
	__u32 noted[NUM_DATAGRAM];          /* its first fragment is known */
	__u32 had[NUM_DATAGRAM][2][PIECES]; /* how often a fragment was had */
};

struct member {
	struct crew *crew;
	__u32 number;
	pthread_t thread;
};

static struct fragment_key datagram(__u16 id)
{
	return (struct fragment_key){ .src = 1, .dst = 2, .id = id, .proto = IPPROTO_UDP };
}

static void have(struct crew *crew, __u16 id, __u32 who, __u32 piece)
{
	__atomic_fetch_add(&crew->had[id][who][piece], 1, __ATOMIC_RELAXED);
}

/* As the hook does: what comes before the first is put on the list, and taken back if that has come meanwhile. */
static void bring(struct crew *crew, __u16 id, __u32 who, __u32 piece)
{
	struct fragment_key key = datagram(id);
	struct held *held;
	__u64 ticket;

	if (READ_ONCE(crew->noted[id])) {
		have(crew, id, who, piece);
		return;
	}
	ticket = held_reserve(crew->ring, &key, 2);
	held = held_at(crew->ring, ticket);
	memcpy(held + 1, (__u8[]){ who, piece }, 2);
	while (!held_publish(crew->ring, ticket))
		;
	if (platform_take32(&crew->noted[id], 0) && held_take(held))
		have(crew, id, who, piece);
}

/* The first fragment: it is noted, and then it looks who waits. */
static void come(struct crew *crew, __u16 id)
{
	struct held_walk walk = { .key = datagram(id), .timeout_s = 30 };

	platform_take32(&crew->noted[id], 1);
	walk.newest = held_begin(crew->ring, &walk.key);
	walk.ticket = walk.newest;
	while (!held_step(&walk, crew->ring))
		;
	held_end(&walk, crew->ring);
	for (__u64 ticket = walk.oldest; ticket;) {
		const struct held *held = held_at(crew->ring, ticket);
		const __u8 *bytes = (const __u8 *)(held + 1);

		have(crew, id, bytes[0], bytes[1]);
		ticket = held->next;
	}
}

static void *work(void *arg)
{
	struct member *member = arg;
	struct crew *crew = member->crew;

	world_enter(&crew->world, 1 + member->number);
	pthread_barrier_wait(&crew->barrier);
	for (__u32 id = 0; id < NUM_DATAGRAM; id++) {
		if (member->number < 2) {
			if (READ_ONCE(crew->begun) <= id)
				WRITE_ONCE(crew->begun, id + 1);
			for (__u32 piece = 0; piece < PIECES; piece++)
				bring(crew, id, member->number, piece);
		} else {
			while (READ_ONCE(crew->begun) <= id)
				sched_yield();
			come(crew, id);
		}
	}
	return NULL;
}

static void run(struct crew *crew)
{
	struct member member[NUM_THREAD];

	crew->begun = 0;
	memset(crew->noted, 0, sizeof(crew->noted));
	memset(crew->had, 0, sizeof(crew->had));
	for (__u32 i = 0; i < NUM_THREAD; i++) {
		member[i] = (struct member){ .crew = crew, .number = i };
		assert_int_equal(pthread_create(&member[i].thread, NULL, work, &member[i]), 0);
	}
	for (__u32 i = 0; i < NUM_THREAD; i++)
		pthread_join(member[i].thread, NULL);
	for (__u32 id = 0; id < NUM_DATAGRAM; id++)
		for (__u32 who = 0; who < 2; who++)
			for (__u32 piece = 0; piece < PIECES; piece++)
				assert_int_equal(crew->had[id][who][piece], 1);
}

static void nobody_is_missed(void **state)
{
	static struct crew crew;

	(void)state;
	world_open(&crew.world, 16, 1, world_seed());
	crew.ring = aligned_alloc(HELD_ALIGN, sizeof(*crew.ring));
	assert_non_null(crew.ring);
	pthread_barrier_init(&crew.barrier, NULL, NUM_THREAD);
	for (int round = 0; round < ROUNDS; round++) {
		memset(crew.ring, 0, sizeof(*crew.ring));
		run(&crew);
	}
	pthread_barrier_destroy(&crew.barrier);
	free(crew.ring);
	world_close(&crew.world);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nobody_is_missed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
