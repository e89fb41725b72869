/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store beside a naive model, under random operations at several loads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "create.h"
#include "model.h"

/* How likely each operation is, out of 256, while the table is emptier than it should be and when it is not. */
static const __u8 weight_filling[NUM_MODEL_OP] = {
	[MODEL_CREATE] = 90, [MODEL_INSERT] = 70,   [MODEL_FIND] = 20,        [MODEL_TOUCH] = 20,
	[MODEL_MARK] = 2,    [MODEL_REMOVE] = 2,    [MODEL_REMOVE_DYING] = 4, [MODEL_REMOVE_WRONG] = 6,
	[MODEL_EXPIRE] = 6,  [MODEL_REF_WRONG] = 5, [MODEL_MOVE] = 30,        [MODEL_TICK] = 1,
};
static const __u8 weight_emptying[NUM_MODEL_OP] = {
	[MODEL_CREATE] = 20, [MODEL_INSERT] = 20,   [MODEL_FIND] = 20,         [MODEL_TOUCH] = 40,
	[MODEL_MARK] = 30,   [MODEL_REMOVE] = 40,   [MODEL_REMOVE_DYING] = 30, [MODEL_REMOVE_WRONG] = 6,
	[MODEL_EXPIRE] = 12, [MODEL_REF_WRONG] = 5, [MODEL_MOVE] = 30,         [MODEL_TICK] = 3,
};

static enum model_op choose_op(const __u8 *weight)
{
	__u32 total = 0;
	__u32 n;

	for (int op = 0; op < NUM_MODEL_OP; op++)
		total += weight[op];
	n = hash_scale(platform_random(), total);
	for (int op = 0; op < NUM_MODEL_OP; op++) {
		if (n < weight[op])
			return op;
		n -= weight[op];
	}
	return MODEL_FIND;
}

struct run {
	__u32 num_buckets;
	__u32 num_stash;
	struct model_size size;
	double load;
	int steps;
};

static void run_random(const struct run *run)
{
	struct world world;
	struct model model;
	const char *why = NULL;
	double highest = 0;

	world_open(&world, run->num_buckets, run->num_stash, world_seed());
	model_open(&model, &world, run->size);
	for (int i = 0; i < run->steps && !why; i++) {
		bool filling = model_load(&model) < run->load;
		struct model_step step = { .op = choose_op(filling ? weight_filling : weight_emptying) };

		for (int c = 0; c < 4; c++)
			step.choice[c] = platform_random();
		why = model_step(&model, &step);
		if (!why && i % 8192 == 0)
			why = model_check(&model);
		if (why)
			print_error("step %d, operation %d: ", i, step.op);
		if (model_load(&model) > highest)
			highest = model_load(&model);
	}
	if (!why)
		why = model_check(&model);
	if (!why)
		why = model_drain(&model);
	print_message("# highest load %.3f\n", highest);
	model_close(&model);
	world_close(&world);
	if (why)
		fail_msg("%s", why);
}

static void half_full(void **state)
{
	(void)state;
	run_random(&(struct run){ 256, 16, { 300, 600, 12 }, 0.5, 400000 });
}

static void three_quarters_full(void **state)
{
	(void)state;
	run_random(&(struct run){ 1024, 16, { 1000, 2000, 20 }, 0.75, 600000 });
}

static void nine_tenths_full(void **state)
{
	(void)state;
	run_random(&(struct run){ 256, 16, { 300, 600, 12 }, 0.9, 600000 });
}

/* More than fits, stash and all: inserts fail cleanly. */
static void full(void **state)
{
	(void)state;
	run_random(&(struct run){ 32, 2, { 100, 200, 8 }, 2.0, 600000 });
}

static void smallest(void **state)
{
	(void)state;
	run_random(&(struct run){ 2, 1, { 6, 10, 3 }, 2.0, 200000 });
}

/* Few tuples and much room: nearly every insert meets an owner. */
static void contended(void **state)
{
	(void)state;
	run_random(&(struct run){ 64, 4, { 8, 6, 4 }, 1.0, 200000 });
}

/* A session among 2^32 internal endpoints and as many remotes. */
static struct pair session_draw(void)
{
	return (struct pair){
		.internal = { .addr = platform_random(), .port = platform_random() },
		.external = { .addr = cpu_to_be32(0xc0000201), .port = platform_random() },
		.remote = { .addr = platform_random(), .port = cpu_to_be16(443) },
		.proto = IPPROTO_TCP,
	};
}

/* As the translator inserts, when nothing there has expired. */
static enum insert_result insert_with_room(const struct pair *pair)
{
	enum insert_result result = INSERT_NO_ROOM_IN;

	for (int i = 0; i < CREATE_ATTEMPTS && result >= INSERT_NO_ROOM_IN; i++) {
		result = store_insert(pair, PHASE_LIVE, PHASE_LIVE, 0, i >= CREATE_ATTEMPTS / 2);
		if (result >= INSERT_NO_ROOM_IN)
			store_make_room(pair, result == INSERT_NO_ROOM_IN ? ENTRY_INBOUND : 0);
	}
	return result;
}

#define CHURN_SESSIONS 6144
#define CHURN_TIMES 12

/* At the load that the table is made for every session finds room, also when all have been replaced many times. */
static void six_sevenths_full_has_room_for_ever(void **state)
{
	static struct pair session[CHURN_SESSIONS];
	__u32 num_refused = 0;
	struct world world;

	(void)state;
	world_open(&world, CHURN_SESSIONS * 7 / 12, CHURN_SESSIONS * 7 / 12 / 256, world_seed());
	for (__u32 i = 0; i < CHURN_SESSIONS * (1 + CHURN_TIMES); i++) {
		struct pair *victim = &session[i < CHURN_SESSIONS ? i : hash_scale(platform_random(), CHURN_SESSIONS)];
		struct key key = pair_key(victim, 0);

		if (victim->proto)
			assert_true(store_remove(store_find(&key), victim, REMOVE_NOW, 0));
		*victim = session_draw();
		if (insert_with_room(victim) == INSERT_DONE)
			continue;
		victim->proto = 0;
		num_refused++;
	}
	print_message("# refused %u of %u, %u entries in the stash\n", num_refused, CHURN_SESSIONS * (1 + CHURN_TIMES),
		      world.header.num_stashed);
	assert_null(world_violation());
	assert_int_equal(num_refused, 0);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_full),
		cmocka_unit_test(three_quarters_full),
		cmocka_unit_test(nine_tenths_full),
		cmocka_unit_test(full),
		cmocka_unit_test(smallest),
		cmocka_unit_test(contended),
		cmocka_unit_test(six_sevenths_full_has_room_for_ever),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
