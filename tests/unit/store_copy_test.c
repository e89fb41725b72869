/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying a store that is in use: the model goes on while it is copied, and holds of the copy when that is done. */
#include "store_copy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "create.h"
#include "model.h"
#include "table.h"

#define STEPS_PER_BUCKET 12
#define NUM_DIRTY_WORDS 64

static __u64 dirty[NUM_DIRTY_WORDS];

static void random_step(struct model *model, double load)
{
	static const enum model_op filling[] = { MODEL_CREATE, MODEL_CREATE, MODEL_CREATE,
						 MODEL_INSERT, MODEL_TOUCH,  MODEL_MOVE },
				   emptying[] = { MODEL_CREATE, MODEL_REMOVE, MODEL_REMOVE,
						  MODEL_EXPIRE, MODEL_MOVE,   MODEL_TICK };
	const enum model_op *op = model_load(model) < load ? filling : emptying;
	struct model_step step = { .op = op[hash_scale(platform_random(), 6)] };
	const char *why;

	for (int c = 0; c < 4; c++)
		step.choice[c] = platform_random();
	why = model_step(model, &step);
	if (why)
		fail_msg("operation %d: %s", step.op, why);
}

static struct bucket *empty_buckets(const struct store_shape *shape)
{
	size_t bytes = ((size_t)shape->num_buckets + shape->num_stash) * sizeof(struct bucket);
	struct bucket *bucket = aligned_alloc(sizeof(struct bucket), bytes);

	assert_non_null(bucket);
	return memset(bucket, 0, bytes);
}

/* The copy takes the place of the store. */
static void take_place(struct model *model, struct world *world, struct store_copy *copy)
{
	assert_int_equal(copy->header.num_sessions, world->header.num_sessions);
	assert_int_equal(copy->header.num_mappings, world->header.num_mappings);
	assert_int_equal(copy->header.num_permits, world->header.num_permits);
	free(world->bucket);
	world->bucket = copy->to.bucket;
	world->header.shape = copy->header.shape;
	world->header.num_stashed = copy->header.num_stashed;
	world->header.resize = RESIZE_NONE;
	world->num_entries = (size_t)(copy->header.shape.num_buckets + copy->header.shape.num_stash) * BUCKET_ENTRIES;
	platform.bucket = world->bucket;
	model->before = realloc(model->before, world->num_entries / BUCKET_ENTRIES * sizeof(struct bucket));
	assert_non_null(model->before);
	store_copy_close(copy);
}

/* Copies bucket after bucket while the model goes on, then what is marked, then once more when nobody writes. */
static void resize(struct model *model, struct world *world, __u32 num_buckets, __u32 num_stash, double load)
{
	__u32 total = world->header.shape.num_buckets + world->header.shape.num_stash;
	struct store_shape shape = world->header.shape;
	struct store_copy copy;
	const char *why;

	shape.num_buckets = num_buckets;
	shape.num_stash = num_stash;
	platform.dirty = dirty;
	world->header.resize = RESIZE_COPYING;
	assert_int_equal(store_copy_open(&copy, &shape, empty_buckets(&shape)), 0);
	for (__u32 bucket = 0; bucket < total; bucket++) {
		assert_int_equal(store_copy_buckets(&copy, bucket, 1), 0);
		for (int i = 0; i < STEPS_PER_BUCKET; i++)
			random_step(model, load);
		if (bucket % 16 == 0)
			assert_true(store_copy_dirty(&copy) >= 0);
	}
	assert_true(store_copy_dirty(&copy) >= 0);
	/* the model's packets leave no marks: the lives of all, but no pair, are what another round brings */
	assert_int_equal(copy.header.num_sessions, world->header.num_sessions);
	assert_int_equal(copy.header.num_mappings, world->header.num_mappings);
	assert_int_equal(store_copy_buckets(&copy, 0, total), 0);
	take_place(model, world, &copy);
	why = model_check(model);
	if (why)
		fail_msg("after the exchange: %s", why);
}

static void goes_on_in_the_copy(void **state)
{
	static const struct {
		__u32 num_buckets;
		__u32 num_stash;
		double load; /* of the store that is left */
	} sizes[] = { { 256, 16, 0.15 }, { 1024, 16, 0.6 }, { 300, 16, 0.2 },
		      { 301, 16, 0.7 },  { 1024, 32, 0.7 }, { 256, 16, 0.16 } };
	struct world world;
	struct model model;
	const char *why;

	(void)state;
	world_open(&world, 1100, 32, world_seed()); /* the model has room for what fits in here */
	model_open(&model, &world, (struct model_size){ 300, 600, 12 });
	for (int i = 0; i < 6000; i++)
		random_step(&model, 0.15);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		resize(&model, &world, sizes[i].num_buckets, sizes[i].num_stash, sizes[i].load);
	why = model_drain(&model);
	model_close(&model);
	world_close(&world);
	if (why)
		fail_msg("%s", why);
}

/* ---- what the model does not know ------------------------------------------------------------------------------ */

static struct pair mapping_of(__u16 port)
{
	return (struct pair){
		.internal = { .addr = cpu_to_be32(0x0a000001), .port = cpu_to_be16(port) },
		.external = { .addr = cpu_to_be32(0xc0000201), .port = cpu_to_be16(port) },
		.proto = IPPROTO_UDP,
		.flags = ENTRY_MAPPING,
	};
}

static void keeps_references_and_the_first_remote(void **state)
{
	struct pair mapping = mapping_of(5000), session = mapping, permit = mapping;
	struct store_shape shape;
	struct store_copy copy;
	struct world world;
	__u32 index;
	struct key key;

	(void)state;
	world_open(&world, 16, 2, 1);
	session.flags = ENTRY_COUNTED;
	session.remote = (struct endpoint){ .addr = cpu_to_be32(0xcb007101), .port = cpu_to_be16(53) };
	permit.remote.addr = session.remote.addr;
	permit.proto |= PROTO_PERMIT;
	store_insert(&mapping, life_make(PHASE_LIVE, 0, 900), life_make(PHASE_LIVE, 0, 900), 3, false);
	store_insert(&session, life_make(PHASE_LIVE, 0, 901), life_make(PHASE_LIVE, 0, 902), 0, false);
	store_insert(&permit, life_make(PHASE_LIVE, 0, 903), life_make(PHASE_LIVE, 0, 903), 2, false);
	assert_true(permit_is_first(&mapping, session.remote.addr, true));
	shape = world.header.shape;
	shape.num_buckets = 64;
	assert_int_equal(store_copy_open(&copy, &shape, empty_buckets(&shape)), 0);
	assert_int_equal(store_copy_buckets(&copy, 0, 18), 0);
	assert_int_equal(copy.header.num_sessions, 1);
	assert_int_equal(copy.header.num_mappings, 1);
	assert_int_equal(copy.header.num_permits, 1);
	free(world.bucket);
	world.bucket = platform.bucket = copy.to.bucket;
	world.header.shape = shape;
	assert_true(permit_is_first(&mapping, session.remote.addr, false));
	key = pair_key(&mapping, 0);
	index = store_find(&key);
	assert_int_equal(store_entry(index)->refs, 3);
	key = pair_key(&permit, 0);
	index = store_find(&key);
	assert_int_equal(store_entry(index)->refs, 2);
	key = pair_key(&session, 0);
	index = store_find(&key);
	assert_int_equal(store_entry(index)->next_hop, 0);
	assert_int_equal(store_entry(index)->life, life_make(PHASE_LIVE, LIFE_SESSION, 902));
	store_copy_close(&copy);
	world_close(&world);
}

/* Each that writes tells of it, but for packets. */
static void all_writers_leave_marks(void **state)
{
	struct pair mapping = mapping_of(5000), session = mapping;
	struct world world;
	struct key key;

	(void)state;
	world_open(&world, 16, 2, 1);
	platform.dirty = dirty;
	memset(dirty, 0, sizeof(dirty));
	session.flags = ENTRY_COUNTED;
	session.remote = (struct endpoint){ .addr = cpu_to_be32(0xcb007101), .port = cpu_to_be16(53) };
	store_insert(&mapping, PHASE_LIVE, PHASE_LIVE, 1, false);
	assert_int_equal(dirty[0], 0); /* nobody wants to know */

	world.header.resize = RESIZE_COPYING;
	key = pair_key(&mapping, 0);
	assert_true(store_ref(store_find(&key), &mapping));
	assert_int_equal(dirty[0], 1ull << store_find(&key) / BUCKET_ENTRIES);
	dirty[0] = 0;
	assert_true(permit_is_first(&mapping, session.remote.addr, true));
	assert_int_equal(dirty[0], 1ull << store_find(&key) / BUCKET_ENTRIES);
	dirty[0] = 0;
	assert_true(permit_is_first(&mapping, session.remote.addr, true));
	assert_int_equal(dirty[0], 0);
	assert_int_equal(store_release(&mapping, RELEASE_SESSION, 0), 0);
	assert_int_equal(dirty[0], 1ull << store_find(&key) / BUCKET_ENTRIES);
	dirty[0] = 0;
	key = pair_key(&session, 0);
	store_insert(&session, PHASE_LIVE, PHASE_LIVE, 0, false);
	assert_int_equal(dirty[0], 1ull << store_find(&key) / BUCKET_ENTRIES);
	dirty[0] = 0;
	{
		__u32 index = store_find(&key), twin = store_entry(index)->twin;

		assert_true(store_move(twin));
		assert_int_equal(dirty[0], 1ull << index / BUCKET_ENTRIES); /* the copy goes by outbound entries */
		dirty[0] = 0;
		assert_true(store_move(index));
		assert_int_equal(dirty[0], 1ull << index / BUCKET_ENTRIES | 1ull << store_find(&key) / BUCKET_ENTRIES);
		dirty[0] = 0;
		index = store_find(&key);
		assert_true(store_remove(store_entry(index)->twin, &session, REMOVE_NOW, 0));
		assert_int_equal(dirty[0], 1ull << index / BUCKET_ENTRIES);
	}
	world_close(&world);
}

/* Who copies looks at a pair while somebody has one of its entries BUSY, for so long that he takes it for gone. It is there
 * again when the copy is done: whoever had it so leaves a mark, also if nothing came of what he wanted.
 */
static void copies_what_was_busy(void **state)
{
	struct pair session = mapping_of(5000);
	struct store_shape shape;
	struct store_copy copy;
	struct world world;
	__u32 index, life;
	struct key key;

	(void)state;
	world_open(&world, 16, 2, 1);
	platform.dirty = dirty;
	memset(dirty, 0, sizeof(dirty));
	session.flags = 0;
	session.remote = (struct endpoint){ .addr = cpu_to_be32(0xcb007101), .port = cpu_to_be16(53) };
	life = life_make(PHASE_LIVE, 0, platform.now);
	assert_int_equal(store_insert(&session, life, life, 0, false), INSERT_DONE);
	world.header.resize = RESIZE_COPYING;
	shape = world.header.shape;
	shape.num_buckets = 32;
	assert_int_equal(store_copy_open(&copy, &shape, empty_buckets(&shape)), 0);

	for (int direction = 0; direction <= ENTRY_INBOUND; direction += ENTRY_INBOUND) {
		key = pair_key(&session, direction);
		index = store_find(&key);
		life = store_entry(index)->life;
		store_entry(index)->life = PHASE_BUSY;
		assert_int_equal(store_copy_buckets(&copy, 0, 18), 0);
		assert_int_equal(copy.header.num_sessions, 0);
		store_entry(index)->life = life;
		if (direction)
			assert_true(store_move(index));
		else
			assert_false(store_remove(index, &session, REMOVE_DYING, 0));
		assert_int_equal(store_copy_dirty(&copy), 1);
		assert_int_equal(copy.header.num_sessions, 1);
	}
	free(copy.to.bucket);
	store_copy_close(&copy);
	world_close(&world);
}

/* A copy that is too small says so. */
static void has_no_room(void **state)
{
	struct store_shape shape;
	struct store_copy copy;
	struct world world;
	struct bucket *bucket;
	int err;

	(void)state;
	world_open(&world, 64, 16, 1);
	for (__u16 port = 1; port <= 100; port++) {
		struct pair mapping = mapping_of(port);

		assert_int_equal(store_insert(&mapping, PHASE_LIVE, PHASE_LIVE, 1, true), INSERT_DONE);
	}
	shape = world.header.shape;
	shape.num_buckets = 16;
	shape.num_stash = 2;
	bucket = empty_buckets(&shape);
	assert_int_equal(store_copy_open(&copy, &shape, bucket), 0);
	err = store_copy_buckets(&copy, 0, 80);
	assert_int_equal(err, -ENOSPC);
	free(bucket);
	store_copy_close(&copy);
	world_close(&world);
}

/* ---- life words ------------------------------------------------------------------------------------------------ */

static void merges_life_words(void **state)
{
	const struct {
		__u32 own;
		__u32 copied;
		__u32 want;
	} cases[] = {
		/* the copy has seen nothing */
		{ life_make(PHASE_LIVE, LIFE_ACK, 20), life_make(PHASE_LIVE, 0, 10),
		  life_make(PHASE_LIVE, LIFE_ACK, 20) },
		{ life_make(PHASE_LIVE, LIFE_SYN, 20), life_make(PHASE_LIVE, LIFE_FIN, 10),
		  life_make(PHASE_LIVE, LIFE_SYN, 20) },
		{ life_make(PHASE_DYING, LIFE_ACK, 20), life_make(PHASE_LIVE, LIFE_ACK, 10),
		  life_make(PHASE_DYING, LIFE_ACK, 20) },
		/* both have */
		{ life_make(PHASE_LIVE, LIFE_FIN, 20), life_make(PHASE_LIVE, LIFE_ACK, 21),
		  life_make(PHASE_LIVE, LIFE_ACK | LIFE_FIN, 21) },
		{ life_make(PHASE_LIVE, LIFE_FIN, 20), life_make(PHASE_LIVE, LIFE_ACK, 20),
		  life_make(PHASE_LIVE, LIFE_ACK | LIFE_FIN, 20) },
		/* a packet has come in the second in which it was marked, by the one or by the other */
		{ life_make(PHASE_DYING, LIFE_ACK, 20), life_make(PHASE_LIVE, LIFE_ACK, 20),
		  life_make(PHASE_LIVE, LIFE_ACK, 20) },
		{ life_make(PHASE_LIVE, LIFE_ACK, 20), life_make(PHASE_DYING, LIFE_ACK, 20),
		  life_make(PHASE_LIVE, LIFE_ACK, 20) },
		{ life_make(PHASE_DYING, LIFE_ACK, 20), life_make(PHASE_DYING, LIFE_ACK, 20),
		  life_make(PHASE_DYING, LIFE_ACK, 20) },
		/* a packet has come since, and takes the RST back */
		{ life_make(PHASE_LIVE, LIFE_RST | LIFE_ACK, 20), life_make(PHASE_LIVE, LIFE_ACK, 21),
		  life_make(PHASE_LIVE, LIFE_ACK, 21) },
		/* and the clock goes round */
		{ life_make(PHASE_LIVE, 0, LIFE_SEEN_MASK), life_make(PHASE_LIVE, LIFE_ACK, 0),
		  life_make(PHASE_LIVE, LIFE_ACK, 0) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(store_copy_life(cases[i].own, cases[i].copied), cases[i].want);
}

static __u32 life_in_copy(const struct store_copy *copy, const struct key *key)
{
	struct platform before = platform;
	__u32 life;

	platform = copy->to;
	life = store_entry(store_find(key))->life;
	platform = before;
	return life;
}

static void carries_the_last_packets_over(void **state)
{
	struct pair used = mapping_of(1), idle = mapping_of(2);
	struct store_shape shape;
	struct store_copy copy;
	struct world world;
	struct key key;
	__u32 bucket;

	(void)state;
	world_open(&world, 16, 2, 1);
	store_insert(&used, life_make(PHASE_LIVE, 0, 500), life_make(PHASE_LIVE, 0, 500), 1, false);
	store_insert(&idle, life_make(PHASE_LIVE, 0, 500), life_make(PHASE_LIVE, 0, 500), 1, false);
	shape = world.header.shape;
	shape.num_buckets = 32;
	assert_int_equal(store_copy_open(&copy, &shape, empty_buckets(&shape)), 0);
	assert_int_equal(store_copy_buckets(&copy, 0, 18), 0);
	key = pair_key(&used, ENTRY_INBOUND);
	platform.now += 30;
	store_entry(store_find(&key))->life = life_make(PHASE_LIVE, LIFE_ACK, platform.now - 1);
	bucket = store_find(&key) / BUCKET_ENTRIES;
	store_copy_lives(&copy, 0, bucket);
	store_copy_lives(&copy, bucket + 1, 18 - bucket - 1);
	assert_int_equal(life_in_copy(&copy, &key), life_make(PHASE_LIVE, 0, 500));
	store_copy_lives(&copy, bucket, 1);
	assert_int_equal(life_in_copy(&copy, &key), life_make(PHASE_LIVE, LIFE_ACK, platform.now - 1));
	free(world.bucket);
	world.bucket = platform.bucket = copy.to.bucket;
	world.header.shape = shape;
	assert_int_equal(store_entry(store_find(&key))->life, life_make(PHASE_LIVE, LIFE_ACK, platform.now - 1));
	key = pair_key(&used, 0);
	assert_int_equal(store_entry(store_find(&key))->life, life_make(PHASE_LIVE, 0, 500));
	key = pair_key(&idle, 0);
	assert_int_equal(store_entry(store_find(&key))->life, life_make(PHASE_LIVE, 0, 500));
	store_copy_close(&copy);
	world_close(&world);
}

/* A session that packets went by while its table was copied stays, also where a newcomer looks for room before its life was
 * carried over; and one that is idle goes again after that, also if nobody carries anything any more.
 */
static void a_live_session_stays_until_it_is_carried(void **state)
{
	struct pair session = {
		.internal = { .addr = htonl(0xc0a80005), .port = htons(5000) },
		.external = { .addr = htonl(0xc0000201), .port = htons(40000) },
		.remote = { .addr = htonl(0xc6336408), .port = htons(53) },
		.proto = IPPROTO_UDP,
	};
	struct session_room room;
	struct store_shape shape;
	struct store_copy copy;
	struct world world;
	struct key key;
	__u32 index;

	(void)state;
	world_open(&world, 16, 2, 1);
	platform.now = 1000;
	store_insert(&session, life_make(PHASE_LIVE, 0, 1000), life_make(PHASE_LIVE, 0, 1000), 0, false);
	shape = world.header.shape;
	shape.num_buckets = 8;
	platform.now += world.config.timeout_s[TIMEOUT_UDP] - 5;
	assert_int_equal(store_copy_open(&copy, &shape, empty_buckets(&shape)), 0);
	assert_int_equal(store_copy_buckets(&copy, 0, 18), 0);
	/* a packet, by the store in use */
	platform.now += 2;
	key = pair_key(&session, 0);
	store_entry(store_find(&key))->life = life_make(PHASE_LIVE, LIFE_SESSION, platform.now);
	/* the exchange, and five seconds later a newcomer */
	free(world.bucket);
	world.bucket = platform.bucket = copy.to.bucket;
	world.header.shape = shape;
	platform.now += 5;
	world.header.carried_until = platform.now + 1;
	assert_int_equal(expire_find(&session, 0, false), INDEX_NONE);
	assert_int_equal(expire_find(&session, ENTRY_INBOUND, true), INDEX_NONE);
	assert_int_not_equal(store_find(&key), INDEX_NONE);
	assert_int_equal(life_phase(store_entry(store_find(&key))->life), PHASE_LIVE);
	/* nobody has carried it */
	platform.now++;
	index = expire_find(&session, 0, false);
	assert_int_equal(index, store_find(&key));
	assert_true(session_reap(index, 0, &room));
	world.header.carried_until = 0;
	store_copy_close(&copy);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on_in_the_copy),
		cmocka_unit_test(keeps_references_and_the_first_remote),
		cmocka_unit_test(all_writers_leave_marks),
		cmocka_unit_test(copies_what_was_busy),
		cmocka_unit_test(has_no_room),
		cmocka_unit_test(merges_life_words),
		cmocka_unit_test(carries_the_last_packets_over),
		cmocka_unit_test(a_live_session_stays_until_it_is_carried),
	};

	return cmocka_run_group_tests_name("store copy", tests, NULL, NULL);
}
