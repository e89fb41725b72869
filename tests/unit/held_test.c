/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of held fragments. */
#include "held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define TIMEOUT_S 30

static struct world world;
static struct held_ring *ring;

static struct fragment_key datagram(__u16 id)
{
	return (struct fragment_key){ .src = 1, .dst = 2, .id = id, .proto = IPPROTO_UDP };
}

/* Holds a fragment of `len` bytes, all of them `fill`; returns its ticket. */
static __u64 hold(struct fragment_key key, __u32 len, int fill)
{
	__u64 ticket = held_reserve(ring, &key, len);
	__u8 *bytes = (__u8 *)(held_at(ring, ticket) + 1);

	assert_true(bytes >= ring->bytes && bytes + len <= ring->bytes + sizeof(ring->bytes));
	memset(bytes, fill, len);
	assert_true(held_publish(ring, ticket));
	return ticket;
}

/* Takes what waits for a datagram; the caller looks at walk.num, and follows walk.oldest. */
static struct held_walk take(struct fragment_key key)
{
	struct held_walk walk = { .key = key, .timeout_s = TIMEOUT_S };

	walk.newest = held_begin(ring, &key);
	walk.ticket = walk.newest;
	for (int i = 0; i < HELD_MAX_STEPS && !held_step(&walk, ring); i++)
		;
	held_end(&walk, ring);
	return walk;
}

static bool is_list_empty(struct fragment_key key)
{
	return !held_begin(ring, &key);
}

/* Another datagram on the list of this one. */
static struct fragment_key neighbour(struct fragment_key key)
{
	struct fragment_key other = key;

	do
		other.src++;
	while (held_list(ring, &other) != held_list(ring, &key));
	return other;
}

static void gives_back_in_order(void **state)
{
	struct held_walk walk;
	__u64 ticket;

	(void)state;
	assert_int_equal(take(datagram(1)).num, 0);
	for (int i = 0; i < 5; i++)
		hold(datagram(1), 100 + i, i);
	walk = take(datagram(1));
	assert_int_equal(walk.num, 5);
	ticket = walk.oldest;
	for (int i = 0; i < 5; i++) {
		const struct held *held = held_at(ring, ticket);

		assert_true(held_was_there(ring, ticket));
		assert_int_equal(held->len, 100 + i);
		assert_int_equal(*(const __u8 *)(held + 1), i);
		ticket = held->next;
	}
	assert_int_equal(ticket, 0);
	assert_true(is_list_empty(datagram(1)));
	assert_int_equal(take(datagram(1)).num, 0);
}

static void everything_in_the_key_counts(void **state)
{
	struct fragment_key key = datagram(1), other;

	(void)state;
	hold(key, 10, 0);
	for (int i = 0; i < 5; i++) {
		other = key;
		other.src += i == 0;
		other.dst += i == 1;
		other.id += i == 2;
		other.proto += i == 3;
		other.direction += i == 4;
		assert_int_equal(take(other).num, 0);
	}
	assert_int_equal(take(key).num, 1);
}

static void a_list_is_shared(void **state)
{
	struct fragment_key one = datagram(1), other = neighbour(one);

	(void)state;
	hold(one, 10, 1);
	hold(other, 20, 2);
	hold(one, 30, 3);
	assert_int_equal(take(one).num, 2);
	assert_false(is_list_empty(one));
	hold(one, 40, 4);
	assert_int_equal(take(one).num, 1);
	assert_int_equal(take(other).num, 1);
	assert_true(is_list_empty(one));
}

static __u32 count_steps(struct fragment_key key)
{
	struct held_walk walk = { .key = key, .timeout_s = TIMEOUT_S };
	__u32 num = 0;

	walk.newest = held_begin(ring, &key);
	walk.ticket = walk.newest;
	while (num < HELD_MAX_STEPS && !held_step(&walk, ring))
		num++;
	return num;
}

/* Nobody goes again through what was taken: first fragments, repeated, would each cost as much as all that they brought. */
static void what_was_taken_is_off_the_list(void **state)
{
	struct fragment_key one = datagram(1), other = neighbour(one);

	(void)state;
	for (int i = 0; i < 100; i++)
		hold(one, 10, 1);
	hold(other, 20, 2);
	for (int i = 0; i < 50; i++)
		hold(one, 10, 1);
	hold(other, 20, 2);
	for (int i = 0; i < 50; i++)
		hold(one, 10, 1);
	assert_int_equal(take(one).num, 200);
	assert_int_equal(count_steps(one), 2);
	hold(one, 10, 1);
	assert_int_equal(take(one).num, 1);
	assert_int_equal(take(other).num, 2);
	assert_true(is_list_empty(one));
}

/* Of two that want a fragment one has it: the one who brought it, and has found the first one noted meanwhile, is such a one. */
static void is_taken_once(void **state)
{
	__u64 ticket = hold(datagram(1), 10, 0);

	(void)state;
	assert_true(held_take(held_at(ring, ticket)));
	assert_false(held_take(held_at(ring, ticket)));
	assert_int_equal(take(datagram(1)).num, 0);
	assert_true(is_list_empty(datagram(1)));
}

/* A walk that comes while a newer one is put on the list leaves that there. */
static void who_comes_meanwhile_stays(void **state)
{
	struct held_walk walk = { .key = datagram(1), .timeout_s = TIMEOUT_S };

	(void)state;
	hold(datagram(1), 10, 0);
	walk.newest = held_begin(ring, &walk.key);
	walk.ticket = walk.newest;
	hold(datagram(1), 20, 0);
	while (!held_step(&walk, ring))
		;
	held_end(&walk, ring);
	assert_int_equal(walk.num, 1);
	assert_int_equal(take(datagram(1)).num, 1);
}

static void nobody_waits_for_ever(void **state)
{
	(void)state;
	hold(datagram(1), 10, 0);
	platform.now += TIMEOUT_S;
	hold(datagram(1), 10, 0);
	assert_int_equal(take(datagram(1)).num, 2);
	hold(datagram(1), 10, 0);
	platform.now += TIMEOUT_S + 1;
	assert_int_equal(take(datagram(1)).num, 0);
	assert_true(is_list_empty(datagram(1)));
}

/* RFC 4787 REQ-14a: a flood takes the place of what is held, and no other. */
static void the_oldest_give_way(void **state)
{
	__u32 num = HELD_RING_SIZE / (sizeof(struct held) + 1408);

	(void)state;
	hold(datagram(1), 1400, 1);
	hold(datagram(2), 1400, 2);
	for (__u32 i = 0; i < num - 2; i++)
		hold(datagram(3 + i), 1400, 3);
	assert_int_equal(take(datagram(1)).num, 1);
	hold(datagram(1), 1400, 1);
	for (__u32 i = 0; i < num - 1; i++)
		hold(datagram(3 + i), 1400, 3);
	assert_int_equal(take(datagram(2)).num, 0);
	assert_int_equal(take(datagram(1)).num, 1);
}

/* Of any length at any place, also behind the end of the ring. */
static void fits_everywhere(void **state)
{
	__u64 seed = world_seed();

	(void)state;
	srandom(seed);
	for (int i = 0; i < 2000; i++) {
		__u32 len = i % 2 ? HELD_MAX_LEN : 1 + random() % HELD_MAX_LEN;

		hold(datagram(i), len, i);
		assert_int_equal(take(datagram(i)).num, 1);
	}
}

/* One datagram with more fragments than any can have: what one walk does not reach is left to the next. */
static void a_long_list_is_followed_so_far(void **state)
{
	(void)state;
	for (int i = 0; i < HELD_MAX_STEPS + 10; i++)
		hold(datagram(1), 10, 0);
	assert_int_equal(take(datagram(1)).num, HELD_MAX_STEPS);
	assert_false(is_list_empty(datagram(1)));
	assert_int_equal(take(datagram(1)).num, 10);
	assert_true(is_list_empty(datagram(1)));
}

static int open_ring(void **state)
{
	(void)state;
	world_open(&world, 16, 1, world_seed());
	ring = aligned_alloc(HELD_ALIGN, sizeof(*ring));
	if (!ring)
		return -1;
	memset(ring, 0, sizeof(*ring));
	platform.now = 1000;
	return 0;
}

static int close_ring(void **state)
{
	(void)state;
	free(ring);
	world_close(&world);
	return 0;
}

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, open_ring, close_ring)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(gives_back_in_order),   RING_TEST(everything_in_the_key_counts),
		RING_TEST(a_list_is_shared),      RING_TEST(what_was_taken_is_off_the_list),
		RING_TEST(is_taken_once),         RING_TEST(who_comes_meanwhile_stays),
		RING_TEST(nobody_waits_for_ever), RING_TEST(the_oldest_give_way),
		RING_TEST(fits_everywhere),       RING_TEST(a_long_list_is_followed_so_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
