/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store under threads: what a writer of it does, and what a packet may see meanwhile. Built with the thread
 * sanitizer, which judges every access; the tests judge what came of them.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "displace.h"
#include "expire.h"
#include "world.h"

#define MAX_THREADS 4

/* ---- threads -------------------------------------------------------------------------------------------------- */

struct crew;

struct worker {
	struct crew *crew;
	__u32 number;
	pthread_t thread;
	__u64 count[4];  /* of what the worker has seen; each test says of what */
	char wrong[160]; /* the first thing that it saw and must not */
};

/* Threads that work on one table, each with its own `platform`. */
struct crew {
	struct world world;
	__u64 seed;
	pthread_barrier_t barrier;
	int done; /* set by the one worker that has an end */
	int num;
	struct worker worker[MAX_THREADS];
	void (*work)(struct worker *worker);
	void *shared;
};

__attribute__((format(printf, 2, 3))) static void note_wrong(struct worker *worker, const char *format, ...)
{
	va_list args;

	if (worker->wrong[0])
		return;
	va_start(args, format);
	vsnprintf(worker->wrong, sizeof(worker->wrong), format, args);
	va_end(args);
}

static void *start(void *arg)
{
	struct worker *worker = arg;

	world_enter(&worker->crew->world, worker->crew->seed + worker->number);
	worker->crew->work(worker);
	return NULL;
}

static void crew_open(struct crew *crew, __u32 num_buckets, __u32 num_stash)
{
	memset(crew, 0, sizeof(*crew));
	crew->seed = world_seed();
	world_open(&crew->world, num_buckets, num_stash, crew->seed);
}

static void crew_run(struct crew *crew, int num, void (*work)(struct worker *worker))
{
	const char *violation;

	crew->num = num;
	crew->work = work;
	pthread_barrier_init(&crew->barrier, NULL, num);
	for (int i = 0; i < num; i++) {
		crew->worker[i].crew = crew;
		crew->worker[i].number = i;
		if (pthread_create(&crew->worker[i].thread, NULL, start, &crew->worker[i]))
			fail_msg("cannot start a thread");
	}
	for (int i = 0; i < num; i++)
		pthread_join(crew->worker[i].thread, NULL);
	pthread_barrier_destroy(&crew->barrier);
	for (int i = 0; i < num; i++)
		if (crew->worker[i].wrong[0])
			fail_msg("thread %d: %s", i, crew->worker[i].wrong);
	violation = world_violation();
	if (violation)
		fail_msg("%s", violation);
}

static void crew_close(struct crew *crew)
{
	world_close(&crew->world);
}

static bool crew_is_done(const struct crew *crew)
{
	return __atomic_load_n(&crew->done, __ATOMIC_RELAXED);
}

static void crew_finish(struct crew *crew)
{
	__atomic_store_n(&crew->done, 1, __ATOMIC_RELAXED);
}

/* ---- pairs ---------------------------------------------------------------------------------------------------- */

static struct endpoint endpoint_of(__u32 addr, __u32 port)
{
	return (struct endpoint){ .addr = cpu_to_be32(addr), .port = cpu_to_be16(port) };
}

/* A session of its own for each number; its internal endpoint follows from the external one, and the other way round. */
static struct pair session_of(__u32 number)
{
	return (struct pair){
		.internal = endpoint_of(0x0a000000 + number, 1024 + number),
		.external = endpoint_of(0xc0000200 + number % 4, 20000 + number),
		.remote = endpoint_of(0xc6336400 + number % 8, 443),
		.proto = IPPROTO_TCP,
	};
}

static enum insert_result insert(const struct pair *pair)
{
	__u32 life = life_make(PHASE_LIVE, 0, platform.now);

	return store_insert(pair, life, life, 0, true);
}

static __u32 index_of(const struct pair *pair, __u8 direction)
{
	struct key key = pair_key(pair, direction);

	return store_find(&key);
}

static bool remove_now(const struct pair *pair)
{
	__u32 index = index_of(pair, 0);

	return index != INDEX_NONE && store_remove(index, pair, REMOVE_NOW, 0);
}

/* ---- one external tuple, several who want it ------------------------------------------------------------------ */

#define CLAIM_ROUNDS 3000

struct claim {
	int winner[CLAIM_ROUNDS][MAX_THREADS];
};

/* Each round all threads want one external tuple for internal endpoints of their own; then the winner gives it back. */
static void claim_work(struct worker *worker)
{
	struct claim *claim = worker->crew->shared;

	for (__u32 round = 0; round < CLAIM_ROUNDS; round++) {
		struct pair pair = session_of(round % 64);
		enum insert_result result;

		pair.internal.addr = cpu_to_be32(0x0a010000 + worker->number);
		pthread_barrier_wait(&worker->crew->barrier);
		result = insert(&pair);
		if (result != INSERT_DONE && result != INSERT_TAKEN)
			note_wrong(worker, "round %u: insert says %u", round, result);
		claim->winner[round][worker->number] = result == INSERT_DONE;
		pthread_barrier_wait(&worker->crew->barrier);
		if (result == INSERT_DONE && !remove_now(&pair))
			note_wrong(worker, "round %u: the winner does not find its pair", round);
	}
}

static void one_tuple_has_one_owner(void **state)
{
	static struct claim claim;
	struct crew crew;

	(void)state;
	crew_open(&crew, 32, 4);
	crew.shared = &claim;
	crew_run(&crew, MAX_THREADS, claim_work);
	for (int round = 0; round < CLAIM_ROUNDS; round++) {
		int winners = 0;

		for (int i = 0; i < MAX_THREADS; i++)
			winners += claim.winner[round][i];
		assert_int_equal(winners, 1);
	}
	assert_true(world_is_empty(&crew.world));
	crew_close(&crew);
}

/* ---- packets against the sweep -------------------------------------------------------------------------------- */

#define SWEEPS 10000
#define SWEPT_SESSIONS 4

/* What happened to each session at each time it was marked: numbered by the second in which it was. */
struct sweep {
	__u32 now;
	__u8 revived[SWEPT_SESSIONS][SWEEPS + 1];
	__u8 removed[SWEPT_SESSIONS][SWEEPS + 1];
	__u8 missed[SWEPT_SESSIONS][SWEEPS + 1]; /* an inbound packet found nothing */
};

/* Marks and removes sessions in turn, and puts back those that are gone. The clock goes on by one with each. */
static void sweep_work(struct worker *worker)
{
	struct sweep *sweep = worker->crew->shared;

	for (__u32 now = 1; now <= SWEEPS; now++) {
		struct pair pair = session_of(now % SWEPT_SESSIONS);
		__u32 out_index = index_of(&pair, 0);
		__u32 in_index = index_of(&pair, ENTRY_INBOUND);
		struct entry *out = store_entry(out_index);
		struct entry *in = store_entry(in_index);

		__atomic_store_n(&sweep->now, now, __ATOMIC_SEQ_CST);
		platform.now = now;
		if (!out || !in) {
			note_wrong(worker, "a session of which nobody removed anything is gone by half");
			break;
		}
		/* a packet may come between any two of these */
		__atomic_store_n(&out->life, life_make(PHASE_DYING, LIFE_SESSION, now), __ATOMIC_SEQ_CST);
		__atomic_store_n(&in->life, life_make(PHASE_DYING, LIFE_SESSION, now), __ATOMIC_SEQ_CST);
		/* now and then until one has come */
		while (now % 16 == 0 && life_phase(READ_ONCE(out->life)) == PHASE_DYING &&
		       life_phase(READ_ONCE(in->life)) == PHASE_DYING)
			sched_yield();
		if (store_remove(now & 16 ? out_index : in_index, &pair, REMOVE_DYING, 0)) {
			worker->count[0]++;
			__atomic_store_n(&sweep->removed[now % SWEPT_SESSIONS][now], 1, __ATOMIC_RELAXED);
			if (index_of(&pair, 0) != INDEX_NONE || index_of(&pair, ENTRY_INBOUND) != INDEX_NONE)
				note_wrong(worker, "a session that was removed is still there");
			if (insert(&pair) != INSERT_DONE)
				note_wrong(worker, "a session that was removed cannot come again");
		} else {
			worker->count[1]++;
		}
	}
	crew_finish(worker->crew);
}

/* Packets: find, read, touch. What revives an entry says of which marking. */
static void sweep_packet(struct worker *worker, __u32 number, __u8 direction)
{
	struct sweep *sweep = worker->crew->shared;
	__u32 now = __atomic_load_n(&sweep->now, __ATOMIC_SEQ_CST);
	struct pair pair = session_of(number);
	__u32 index = index_of(&pair, direction);
	struct entry *entry = store_entry(index);
	__u32 life;

	worker->count[entry ? 0 : 1]++;
	if (!entry) {
		if (direction == ENTRY_INBOUND && now == __atomic_load_n(&sweep->now, __ATOMIC_SEQ_CST))
			__atomic_store_n(&sweep->missed[number][now], 1, __ATOMIC_RELAXED);
		return;
	}
	life = READ_ONCE(entry->life);
	if (life_phase(life) != PHASE_DYING)
		return;
	if (platform_cmpxchg(&entry->life, life, life_after(life, 0, 0, life >> LIFE_SEEN_SHIFT)) == life)
		__atomic_store_n(&sweep->revived[number][life >> LIFE_SEEN_SHIFT], 1, __ATOMIC_RELAXED);
}

static void sweep_or_packets(struct worker *worker)
{
	if (worker->number == 0)
		for (__u32 i = 0; i < SWEPT_SESSIONS; i++) {
			struct pair pair = session_of(i);

			insert(&pair);
		}
	pthread_barrier_wait(&worker->crew->barrier);
	if (worker->number == 0) {
		sweep_work(worker);
		return;
	}
	while (!crew_is_done(worker->crew))
		sweep_packet(worker, hash_scale(platform_random(), SWEPT_SESSIONS),
			     worker->number % 2 ? ENTRY_INBOUND : 0);
}

/* A session that a packet has revived is not removed, and one that is removed was not revived; never half of one. No inbound
 * packet misses a session that stays: it would be taken for the host's, and answered by a RST.
 */
static void packet_wins_against_sweep(void **state)
{
	static struct sweep sweep;
	struct crew crew;

	(void)state;
	crew_open(&crew, 4, 2);
	crew.shared = &sweep;
	crew_run(&crew, 3, sweep_or_packets);
	for (__u32 i = 0; i < SWEPT_SESSIONS; i++)
		for (__u32 now = 0; now <= SWEEPS; now++)
			if (sweep.revived[i][now] && sweep.removed[i][now])
				fail_msg("session %u was revived and removed in second %u", i, now);
			else if (sweep.missed[i][now] && !sweep.removed[i][now])
				fail_msg("session %u was missed and not removed in second %u", i, now);
	print_message("# removed %llu, revived in time %llu; packets that found nothing %llu of %llu\n",
		      crew.worker[0].count[0], crew.worker[0].count[1],
		      crew.worker[1].count[1] + crew.worker[2].count[1],
		      crew.worker[1].count[0] + crew.worker[2].count[0]);
	assert_true(crew.worker[0].count[0] > 0);
	assert_true(crew.worker[0].count[1] > 0);
	crew_close(&crew);
}

/* ---- moving against packets ----------------------------------------------------------------------------------- */

#define MOVE_ROUNDS 100
#define STILL_SESSIONS 64 /* that nobody removes */

struct move {
	__u32 rounds_done;
};

/* Moves whatever can be moved, while the others work; then begins anew. */
static void move_work(struct worker *worker)
{
	struct crew *crew = worker->crew;
	struct move *move = crew->shared;

	for (__u32 round = 1; round <= MOVE_ROUNDS; round++) {
		for (__u32 i = 0; i < STILL_SESSIONS; i++) {
			struct pair pair = session_of(i);

			if (insert(&pair) != INSERT_DONE)
				note_wrong(worker, "no room for a session");
		}
		pthread_barrier_wait(&crew->barrier);
		for (__u32 i = 0; i < 2 * crew->world.num_entries; i++)
			worker->count[0] += store_move(hash_scale(platform_random(), crew->world.num_entries));
		__atomic_store_n(&move->rounds_done, round, __ATOMIC_RELEASE);
		pthread_barrier_wait(&crew->barrier);
		for (__u32 i = 0; i < STILL_SESSIONS; i++) {
			struct pair pair = session_of(i);

			if (!remove_now(&pair))
				note_wrong(worker, "a session is gone");
		}
	}
}

/* Others come and go, and take the slots that are left. */
static void move_churn(const struct crew *crew, struct worker *worker)
{
	struct pair pair = session_of(STILL_SESSIONS + hash_scale(platform_random(), STILL_SESSIONS));
	__u32 index;

	(void)crew;
	if (insert(&pair) == INSERT_EXISTS)
		note_wrong(worker, "an outbound tuple has an owner and its inbound one has not");
	index = hash_scale(platform_random(), 2) ? index_of(&pair, 0) : index_of(&pair, ENTRY_INBOUND);
	if (index != INDEX_NONE)
		store_remove(index, &pair, REMOVE_NOW, 0);
}

static void move_packet(struct worker *worker)
{
	struct pair pair = session_of(hash_scale(platform_random(), STILL_SESSIONS));
	__u8 direction = hash_scale(platform_random(), 2) ? ENTRY_INBOUND : 0;
	struct key key = pair_key(&pair, direction);
	struct endpoint want = direction ? pair.internal : pair.external;
	struct found found;

	worker->count[0]++;
	if (!store_get(&key, &found)) {
		note_wrong(worker, "a session that was moved is not found");
		return;
	}
	if (!endpoint_equal(found.new, want) || found.flags != direction)
		note_wrong(worker, "a packet gets the endpoint of another session");
	/* in a later second now and then, so that some moves meet a packet */
	platform.now += worker->count[0] % 16 == 0;
	store_touch(&found, 0);
}

static void move_or_packets(struct worker *worker)
{
	struct crew *crew = worker->crew;
	struct move *move = crew->shared;

	if (worker->number == 0) {
		move_work(worker);
		return;
	}
	for (__u32 round = 1; round <= MOVE_ROUNDS; round++) {
		pthread_barrier_wait(&crew->barrier);
		while (__atomic_load_n(&move->rounds_done, __ATOMIC_ACQUIRE) < round)
			if (worker->number == 1)
				move_churn(crew, worker);
			else
				move_packet(worker);
		pthread_barrier_wait(&crew->barrier);
	}
}

/* A session that is moved is found all the time, and never with another's endpoint. */
static void moved_is_always_found(void **state)
{
	struct move move = { 0 };
	struct crew crew;

	(void)state;
	crew_open(&crew, 64, 4);
	crew.shared = &move;
	crew_run(&crew, MAX_THREADS, move_or_packets);
	print_message("# moved %llu, packets %llu\n", crew.worker[0].count[0],
		      crew.worker[2].count[0] + crew.worker[3].count[0]);
	assert_true(crew.worker[0].count[0] > MOVE_ROUNDS);
	crew_close(&crew);
}

/* ---- all of it ------------------------------------------------------------------------------------------------ */

#define MIXED_STEPS 40000
#define MIXED_INTERNAL 12
#define MIXED_EXTERNAL 12
#define MIXED_REMOTE 3

struct mixed {
	__u32 now;
};

static struct pair mapping_of(const struct pair *session)
{
	return (struct pair){
		.internal = session->internal,
		.external = session->external,
		.proto = session->proto,
		.flags = ENTRY_MAPPING,
	};
}

/* A session on the mapping that its internal endpoint has, or on a new one, as the translator makes it. */
static void mixed_create(struct worker *worker)
{
	struct pair session = {
		.internal = endpoint_of(0x0a000000, hash_scale(platform_random(), MIXED_INTERNAL) + 1),
		.external = endpoint_of(0xc0000201, hash_scale(platform_random(), MIXED_EXTERNAL) + 1),
		.remote = endpoint_of(0xc6336401, hash_scale(platform_random(), MIXED_REMOTE) + 1),
		.proto = hash_scale(platform_random(), 2) ? IPPROTO_TCP : IPPROTO_UDP,
		.flags = ENTRY_COUNTED,
	};
	__u32 life = life_make(PHASE_LIVE, LIFE_SYN, platform.now);
	struct pair mapping;
	__u32 index;

	if (mapping_find(session.proto, session.internal, &mapping, &index)) {
		if (!store_ref(index, &mapping))
			return;
		session.external = mapping.external;
	} else {
		mapping = mapping_of(&session);
		if (store_insert(&mapping, life, life, 1, true) != INSERT_DONE)
			return;
	}
	if (store_insert(&session, life, life, 0, true) == INSERT_DONE)
		worker->count[0]++;
	else
		mapping_release(&session, 0, &mapping);
}

static void mixed_packet(struct worker *worker, __u32 index)
{
	struct entry *entry = store_entry(index);
	struct pair pair = entry_pair(entry);
	struct key key = pair_key(&pair, READ_ONCE(entry->flags) & ENTRY_INBOUND);
	struct found found;

	if (!store_get(&key, &found))
		return;
	worker->count[1]++;
	store_touch(&found, platform_random() & LIFE_TCP_MASK);
}

static void mixed_work(struct worker *worker)
{
	struct crew *crew = worker->crew;
	struct mixed *mixed = crew->shared;

	for (__u32 i = 0; i < MIXED_STEPS; i++) {
		__u32 index = hash_scale(platform_random(), crew->world.num_entries);
		__u32 op = hash_scale(platform_random(), 16);

		if (op == 0)
			__atomic_fetch_add(&mixed->now, hash_scale(platform_random(), 100), __ATOMIC_RELAXED);
		platform.now = __atomic_load_n(&mixed->now, __ATOMIC_RELAXED);
		if (op < 5)
			mixed_create(worker);
		else if (op < 9)
			mixed_packet(worker, index);
		else if (op < 11)
			worker->count[2] += session_remove(index, &(struct session_room){});
		else if (op < 14)
			worker->count[2] += session_mark(&crew->world.config, index) &&
					    session_reap(index, op % 2, &(struct session_room){});
		else
			worker->count[3] += store_move(index);
	}
}

/* Everything at once, on few tuples: nothing is left over, and no count is wrong. */
static void everything_at_once(void **state)
{
	struct mixed mixed = { .now = 1000 };
	__u64 count[4] = { 0 };
	struct crew crew;

	(void)state;
	crew_open(&crew, 24, 2);
	crew.shared = &mixed;
	crew_run(&crew, MAX_THREADS, mixed_work);
	for (int i = 0; i < MAX_THREADS; i++)
		for (int j = 0; j < 4; j++)
			count[j] += crew.worker[i].count[j];
	print_message("# created %llu, packets %llu, ended %llu, moved %llu\n", count[0], count[1], count[2], count[3]);
	assert_int_equal(count[0] - count[2], crew.world.header.num_sessions);
	for (__u32 i = 0; i < crew.world.num_entries; i++)
		session_remove(i, &(struct session_room){});
	assert_true(world_is_empty(&crew.world));
	crew_close(&crew);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_tuple_has_one_owner),
		cmocka_unit_test(packet_wins_against_sweep),
		cmocka_unit_test(moved_is_always_found),
		cmocka_unit_test(everything_at_once),
	};

	return cmocka_run_group_tests_name("store_tsan", tests, NULL, NULL);
}
