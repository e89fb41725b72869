/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The check of the table: silent on a good one, and naming the right rule, once, for everything that can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "invariant.h"
#include "permit.h"
#include "world.h"

#define NUM_BUCKETS 64
#define NUM_STASH 4
#define MAX_SEEN 64

/* What was told. */
struct seen {
	size_t num;
	struct {
		enum rule rule;
		__u32 index;
	} at[MAX_SEEN];
	char text[256];
};

static void see(const struct violation *violation, void *ctx)
{
	struct seen *seen = ctx;

	if (seen->num < MAX_SEEN) {
		seen->at[seen->num].rule = violation->rule;
		seen->at[seen->num].index = violation->index;
	}
	seen->num++;
	snprintf(seen->text, sizeof(seen->text), "%s", violation->text);
}

static struct endpoint at(__u32 addr, __u16 port)
{
	return (struct endpoint){ .addr = cpu_to_be32(addr), .port = cpu_to_be16(port) };
}

static struct pair mapping_of(__u16 port)
{
	return (struct pair){
		.internal = at(0xc0a80005, port),
		.external = at(0xc0000201, port),
		.proto = IPPROTO_TCP,
		.flags = ENTRY_MAPPING,
	};
}

static struct pair session_of(__u16 port, __u16 remote_port)
{
	struct pair pair = mapping_of(port);

	pair.remote = at(0xc0000208, remote_port);
	pair.flags = ENTRY_COUNTED;
	return pair;
}

static void insert(const struct pair *pair, __u32 refs)
{
	__u32 life = life_make(PHASE_LIVE, 0, 1000);

	assert_int_equal(store_insert(pair, life, life, refs, true), INSERT_DONE);
}

/* Three mappings with one, two and three sessions, and a session of the host. */
static int fill(void **state)
{
	static struct world world;
	struct pair host = {
		.internal = at(0xc0000201, 7),
		.external = at(0xc0000201, 7),
		.remote = at(0xc0000208, 0),
		.proto = IPPROTO_ICMP,
		.flags = ENTRY_HOST,
	};

	world_open(&world, NUM_BUCKETS, NUM_STASH, 42);
	world.header.pool_addr[0] = htonl(0xc0000201);
	for (__u16 port = 1; port <= 3; port++) {
		struct pair mapping = mapping_of(port);

		insert(&mapping, port);
		for (__u16 remote = 1; remote <= port; remote++) {
			struct pair session = session_of(port, remote);

			insert(&session, 0);
		}
	}
	insert(&host, 0);
	*state = &world;
	return 0;
}

static int empty(void **state)
{
	world_close(*state);
	return 0;
}

static __u32 find(const struct pair *pair, __u8 direction)
{
	struct key key = pair_key(pair, direction);
	__u32 index = store_find(&key);

	assert_int_not_equal(index, INDEX_NONE);
	return index;
}

static struct entry *entry_of(const struct pair *pair, __u8 direction)
{
	return store_entry(find(pair, direction));
}

/* The index of an entry that nobody uses, outside of these three buckets if there are any. */
static __u32 find_free(const struct place *outside)
{
	for (__u32 index = 0; index < NUM_BUCKETS * BUCKET_ENTRIES; index++) {
		__u32 bucket = index / BUCKET_ENTRIES;

		if (store_entry(index)->life == PHASE_FREE &&
		    (!outside || (bucket != outside->bucket[0] && bucket != outside->bucket[1])))
			return index;
	}
	fail_msg("no free entry");
	return INDEX_NONE;
}

/* One violation of this rule, at this entry, and its text says `part`. */
static void check_told(enum rule rule, __u32 index, const char *part)
{
	struct seen seen = {};
	size_t num = invariant_check(see, &seen, NULL);

	assert_int_equal(num, seen.num);
	if (num != 1 || seen.at[0].rule != rule || seen.at[0].index != index)
		fail_msg("%zu violations, the last one: %s", num, seen.text);
	if (!strstr(seen.text, part))
		fail_msg("\"%s\" does not say \"%s\"", seen.text, part);
}

/* This rule is among those that are broken. */
static void check_among(enum rule rule, __u32 index)
{
	struct seen seen = {};

	invariant_check(see, &seen, NULL);
	for (size_t i = 0; i < seen.num; i++)
		if (seen.at[i].rule == rule && seen.at[i].index == index)
			return;
	fail_msg("%s at %u was not told; the last one: %s", rule_name[rule], index, seen.text);
}

static void test_good_table(void **state)
{
	struct seen seen = {};
	struct census census;

	(void)state;
	assert_int_equal(invariant_check(see, &seen, &census), 0);
	assert_int_equal(seen.num, 0);
	assert_int_equal(census.sessions, 7);
	assert_int_equal(census.mappings, 3);
	assert_int_equal(census.entries, 20);
	/* without anybody to tell */
	assert_int_equal(invariant_check(NULL, NULL, NULL), 0);
}

static void test_free_entry(void **state)
{
	__u32 index = find_free(NULL);

	(void)state;
	store_entry(index)->twin = 5;
	check_told(RULE_FREE, index, "not all zero");
}

static void test_free_with_time(void **state)
{
	__u32 index = find_free(NULL);

	(void)state;
	store_entry(index)->life = life_make(PHASE_FREE, 0, 77);
	check_told(RULE_FREE, index, "not all zero");
}

static void test_busy(void **state)
{
	__u32 index = find_free(NULL);

	(void)state;
	store_entry(index)->life = PHASE_BUSY;
	check_told(RULE_BUSY, index, "busy");
}

/* Both entries alike, so that nothing but the field is wrong. */
static void test_proto(void **state)
{
	struct pair session = session_of(1, 1);
	__u32 index = find(&session, ENTRY_INBOUND);

	(void)state;
	entry_of(&session, ENTRY_INBOUND)->proto = 99;
	check_among(RULE_FIELDS, index);
}

static void test_flags(void **state)
{
	struct pair session = session_of(2, 1);
	__u32 index = find(&session, 0);

	(void)state;
	store_entry(index)->flags |= 0x80;
	check_among(RULE_FIELDS, index);
}

static void test_kind(void **state)
{
	struct pair session = session_of(2, 1);
	__u32 index = find(&session, 0);

	(void)state;
	store_entry(index)->life &= ~LIFE_SESSION;
	check_told(RULE_FIELDS, index, "no writer writes");
}

static void test_mapping_without_refs(void **state)
{
	struct pair mapping = mapping_of(1);
	__u32 index = find(&mapping, 0);

	(void)state;
	store_entry(index)->refs = 0;
	check_among(RULE_REFS, index); /* it would rest, if no session counted on it */
}

static void test_pool(void **state)
{
	struct pair mapping = mapping_of(1);
	struct pool *pool = pool_of(mapping.external.addr, mapping.proto);

	(void)state;
	pool_take(pool, 7777);
	check_told(RULE_POOL, INDEX_NONE, ":7777 is marked as used");
	pool_give(pool, 7777);
	pool_give(pool, ntohs(mapping.external.port));
	check_told(RULE_POOL, find(&mapping, 0), "not marked in the pool");
}

static void test_bucket(void **state)
{
	struct pair session = session_of(3, 1);
	__u32 from = find(&session, 0), to;
	struct key key = pair_key(&session, 0);
	struct place place = store_place(&key);

	(void)state;
	to = find_free(&place);
	*store_entry(to) = *store_entry(from);
	entry_of(&session, ENTRY_INBOUND)->twin = to;
	memset(store_entry(from), 0, sizeof(struct entry));
	check_told(RULE_BUCKET, to, "192.168.0.5:3");
}

/* Of two entries that may have one key, the one whose bucket is the later choice. */
static __u32 later(const struct place *place, __u32 one, __u32 other)
{
	if (one / BUCKET_ENTRIES == other / BUCKET_ENTRIES)
		return one > other ? one : other;
	return one / BUCKET_ENTRIES == place->bucket[0] ? other : one;
}

static void test_unique(void **state)
{
	struct pair session = session_of(3, 2);
	__u32 index = find(&session, 0), copy = INDEX_NONE;
	struct key key = pair_key(&session, 0);
	struct place place = store_place(&key);

	(void)state;
	for (__u32 slot = 0; slot < 2 * BUCKET_ENTRIES && copy == INDEX_NONE; slot++) {
		__u32 other = place.bucket[slot / BUCKET_ENTRIES] * BUCKET_ENTRIES + slot % BUCKET_ENTRIES;

		if (store_entry(other)->life == PHASE_FREE)
			copy = other;
	}
	*store_entry(copy) = *store_entry(index);
	check_among(RULE_UNIQUE, later(&place, copy, index));
}

static void test_unique_stash(void **state)
{
	struct pair session = session_of(3, 2);
	struct key key = pair_key(&session, ENTRY_INBOUND);
	struct place place = store_place(&key);
	__u32 copy = place.bucket[2] * BUCKET_ENTRIES;
	struct world *world = *state;

	*store_entry(copy) = *entry_of(&session, ENTRY_INBOUND);
	world->header.num_stashed++;
	check_among(RULE_UNIQUE, copy);
}

static void test_twin_elsewhere(void **state)
{
	struct pair session = session_of(3, 3);
	__u32 index = find(&session, 0);

	(void)state;
	store_entry(index)->twin = 0xfffffff0;
	check_among(RULE_TWIN, index);
	/* and of its twin, that the one it points at does not point back */
	check_among(RULE_TWIN, find(&session, ENTRY_INBOUND));
}

static void test_half_a_pair(void **state)
{
	struct pair session = session_of(3, 3);
	__u32 index = find(&session, ENTRY_INBOUND);

	(void)state;
	memset(entry_of(&session, 0), 0, sizeof(struct entry));
	check_among(RULE_TWIN, index);
}

/* The two rewrites are not each other's inverse. */
static void test_other_pair(void **state)
{
	struct pair session = session_of(3, 3);
	__u32 index = find(&session, ENTRY_INBOUND);

	(void)state;
	store_entry(index)->new_port = cpu_to_be16(4);
	check_among(RULE_TWIN, index);
	check_among(RULE_TWIN, find(&session, 0));
}

static void test_no_mapping(void **state)
{
	struct world *world = *state;
	struct pair session = session_of(9, 1);

	insert(&session, 0);
	check_told(RULE_MAPPING, find(&session, 0), "counts on a mapping");
	(void)world;
}

static void test_refs(void **state)
{
	struct pair mapping = mapping_of(2);
	__u32 index = find(&mapping, 0);

	(void)state;
	store_entry(index)->refs = 3;
	check_told(RULE_REFS, index, "3 references and 2 sessions");
	store_entry(index)->refs = 1;
	check_told(RULE_REFS, index, "1 references and 2 sessions");
}

/* A session toward a second address of a mapping's, and its permit. */
static struct pair insert_permitted(void)
{
	struct pair session = session_of(2, 9), mapping = mapping_of(2), permit;

	session.remote.addr = htonl(0xc0000209);
	session.flags |= ENTRY_PERMITTED;
	permit = permit_pair(&session);
	insert(&permit, 1);
	insert(&session, 0);
	entry_of(&mapping, 0)->refs++;
	return session;
}

static void test_permit(void **state)
{
	struct pair session = insert_permitted(), permit = permit_pair(&session);
	__u32 index = find(&permit, 0);

	(void)state;
	assert_int_equal(invariant_check(NULL, NULL, NULL), 0);
	store_entry(index)->refs = 2;
	check_told(RULE_REFS, index, "2 references and 1 sessions");
	store_entry(index)->refs = 1;
	entry_of(&permit, ENTRY_INBOUND)->refs = 1;
	check_told(RULE_FIELDS, find(&permit, ENTRY_INBOUND), "no writer writes");
}

static void test_no_permit(void **state)
{
	struct pair session = insert_permitted(), permit = permit_pair(&session);
	struct world *world = *state;

	memset(entry_of(&permit, ENTRY_INBOUND), 0, sizeof(struct entry));
	memset(entry_of(&permit, 0), 0, sizeof(struct entry));
	world->header.num_permits--;
	check_told(RULE_MAPPING, find(&session, 0), "counts on a mapping or permit");
}

/* A permit of a mapping that is gone, without a session that would tell it. */
static void test_permit_alone(void **state)
{
	struct pair session = session_of(9, 1), permit = permit_pair(&session);

	(void)state;
	insert(&permit, 0);
	check_told(RULE_MAPPING, find(&permit, 0), "counts on a mapping or permit");
}

/* Two faults that would make up for each other if references were only added up. */
static void test_refs_exchanged(void **state)
{
	struct pair one = mapping_of(1), other = mapping_of(2);

	(void)state;
	entry_of(&one, 0)->refs++;
	entry_of(&other, 0)->refs--;
	check_among(RULE_REFS, find(&one, 0));
	check_among(RULE_REFS, find(&other, 0));
}

/* Two sessions that have each other's halves. */
static void test_twins_exchanged(void **state)
{
	struct pair one = session_of(3, 1), other = session_of(3, 2);
	struct entry *a = entry_of(&one, 0), *b = entry_of(&other, 0);
	__u32 twin = a->twin;

	(void)state;
	a->twin = b->twin;
	b->twin = twin;
	check_among(RULE_TWIN, find(&one, 0));
	check_among(RULE_TWIN, find(&other, 0));
	check_among(RULE_TWIN, find(&one, ENTRY_INBOUND));
}

static void test_header(void **state)
{
	struct world *world = *state;

	world->header.num_sessions++;
	check_told(RULE_SESSIONS, INDEX_NONE, "1 more sessions than there are");
	world->header.num_sessions -= 3;
	check_told(RULE_SESSIONS, INDEX_NONE, "2 fewer sessions than there are");
	world->header.num_sessions += 2;
	world->header.num_mappings++;
	check_told(RULE_MAPPINGS, INDEX_NONE, "1 more mappings");
	world->header.num_mappings--;
	world->header.num_permits++;
	check_told(RULE_PERMITS, INDEX_NONE, "1 more permits");
	world->header.num_permits--;
	world->header.num_stashed = 2;
	check_told(RULE_STASH, INDEX_NONE, "2 more entries of the stash");
}

/* A table so broken that there are more violations than are kept at once. */
static void test_all_broken(void **state)
{
	struct world world;
	struct seen seen = {};
	size_t num = 0;

	empty(state);
	world_open(&world, 2000, 100, 3);
	for (__u32 index = 0; index < world.num_entries; index++, num++)
		store_entry(index)->refs = 1;
	assert_int_equal(invariant_check(see, &seen, NULL), num);
	assert_int_equal(seen.num, num);
	world_close(&world);
	/* what the teardown closes */
	fill(state);
}

/* A table that is big enough to be looked at by several threads: what is wrong in any part of it is found. */
static void test_big_table(void **state)
{
	struct pair mapping = mapping_of(500);
	struct world world;
	struct seen seen = {};
	__u32 step;

	empty(state);
	world_open(&world, 300000, 1000, 4);
	for (__u16 port = 1; port <= 1000; port++) {
		struct pair one = mapping_of(port), session = session_of(port, 7);

		insert(&one, 1);
		insert(&session, 0);
	}
	assert_int_equal(invariant_check(see, &seen, NULL), 0);
	step = world.num_entries / MAX_SEEN;
	for (__u32 i = 0; i < MAX_SEEN; i++) {
		__u32 index = i * step;

		while (store_entry(index)->life != PHASE_FREE)
			index++;
		store_entry(index)->refs = 1;
	}
	assert_int_equal(invariant_check(see, &seen, NULL), MAX_SEEN);
	entry_of(&mapping, 0)->refs++;
	assert_int_equal(invariant_check(NULL, NULL, NULL), MAX_SEEN + 1);
	world_close(&world);
	fill(state);
}

/* ---- a live table ---------------------------------------------------------------------------------------------- */

struct churn {
	struct world *world;
	bool stop;
	unsigned long rounds;
};

/* Creates and removes sessions without a pause, as two CPUs would. */
static void *churn(void *ctx)
{
	struct churn *churn = ctx;

	world_enter(churn->world, 5);
	while (!READ_ONCE(churn->stop)) {
		for (__u16 port = 100; port < 140; port++) {
			struct pair mapping = mapping_of(port), session = session_of(port, 80);

			insert(&mapping, 1);
			insert(&session, 0);
			store_remove(find(&session, 0), &session, REMOVE_NOW, 0);
			store_release(&mapping, RELEASE_SESSION, 0);
		}
		WRITE_ONCE(churn->rounds, churn->rounds + 1);
	}
	return NULL;
}

static void test_live_table(void **state)
{
	struct churn ctx = { .world = *state };
	pthread_t thread;
	struct seen seen = {};

	assert_int_equal(pthread_create(&thread, NULL, churn, &ctx), 0);
	for (int i = 0; i < 200 || READ_ONCE(ctx.rounds) < 10; i++)
		invariant_check(see, &seen, NULL);
	WRITE_ONCE(ctx.stop, true);
	pthread_join(thread, NULL);
	if (seen.num)
		fail_msg("%zu violations on a table that is right: %s", seen.num, seen.text);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fill, empty)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_good_table),     TEST(test_free_entry),
		TEST(test_free_with_time), TEST(test_busy),
		TEST(test_proto),          TEST(test_flags),
		TEST(test_kind),           TEST(test_mapping_without_refs),
		TEST(test_pool),           TEST(test_bucket),
		TEST(test_unique),         TEST(test_twin_elsewhere),
		TEST(test_half_a_pair),    TEST(test_other_pair),
		TEST(test_no_mapping),     TEST(test_refs),
		TEST(test_header),         TEST(test_all_broken),
		TEST(test_unique_stash),   TEST(test_permit),
		TEST(test_no_permit),      TEST(test_permit_alone),
		TEST(test_refs_exchanged), TEST(test_twins_exchanged),
		TEST(test_big_table),      TEST(test_live_table),
	};

	return cmocka_run_group_tests_name("invariant", tests, NULL, NULL);
}
