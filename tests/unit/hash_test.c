/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyed hash: how evenly it spreads tuples such as a gateway sees, over the buckets and bit by bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hash.h"
#include "store.h"
#include "world.h"

static void draw_key(__u32 *key)
{
	for (int i = 0; i < HASH_KEYS; i++)
		key[i] = platform_random();
}

static void start_random(void)
{
	platform.random = world_seed() | 1;
}

/* Tuples in patterns that the hash must not show. */
enum pattern {
	PATTERN_PORTS,    /* one host to one remote, every port */
	PATTERN_HOSTS,    /* one port, a /16 of hosts */
	PATTERN_REMOTES,  /* one endpoint to a /16 of remotes */
	PATTERN_DIAGONAL, /* hosts and ports go up together */
	PATTERN_HIGH,     /* only the high bits of the words change */
	NUM_PATTERN,
};

static __u64 hash_of(enum pattern pattern, __u32 n, const __u32 *key)
{
	__u32 src = cpu_to_be32(0x0a000001), dst = cpu_to_be32(0xc6336401), ports = 0x3500;

	switch (pattern) {
	case PATTERN_PORTS:
		ports = cpu_to_be16(n) | 0x35000000;
		break;
	case PATTERN_HOSTS:
		src = cpu_to_be32(0x0a000000 + n);
		break;
	case PATTERN_REMOTES:
		dst = cpu_to_be32(0xc6330000 + n);
		break;
	case PATTERN_DIAGONAL:
		src = cpu_to_be32(0x0a000000 + n);
		ports = cpu_to_be16(n);
		break;
	case PATTERN_HIGH:
		src = n << 16;
		dst = n << 16;
		break;
	case NUM_PATTERN:
		break;
	}
	return hash_words(src, dst, ports, IPPROTO_UDP, key);
}

#define NUM_TUPLES 65536
#define NUM_BOXES 1021 /* a prime, as num_buckets may be anything */

/* Chi square of how NUM_TUPLES fall into NUM_BOXES, as standard deviations from what chance gives. */
static double unevenness(enum pattern pattern, int shift, const __u32 *key)
{
	static __u32 box[NUM_BOXES];
	const double expect = (double)NUM_TUPLES / NUM_BOXES;
	double chi = 0;

	for (int i = 0; i < NUM_BOXES; i++)
		box[i] = 0;
	for (__u32 n = 0; n < NUM_TUPLES; n++)
		box[hash_scale(hash_of(pattern, n, key) >> shift, NUM_BOXES)]++;
	for (int i = 0; i < NUM_BOXES; i++)
		chi += (box[i] - expect) * (box[i] - expect) / expect;
	return (chi - (NUM_BOXES - 1)) / sqrt(2.0 * (NUM_BOXES - 1));
}

/* All three choices of a bucket: shifts of 0, 32 and 16 (store_place). */
static void patterns_spread_evenly(void **state)
{
	static const int shift[] = { 0, 32, 16 };
	__u32 key[HASH_KEYS];

	(void)state;
	start_random();
	for (enum pattern pattern = 0; pattern < NUM_PATTERN; pattern++)
		for (int s = 0; s < 3; s++) {
			double sum = 0;

			/* one key may be unlucky, 16 are not */
			for (int i = 0; i < 16; i++) {
				draw_key(key);
				sum += unevenness(pattern, shift[s], key);
			}
			if (sum / 16 > 2)
				fail_msg("pattern %d, shift %d: %.1f deviations from even", pattern, shift[s],
					 sum / 16);
		}
}

/* Each bit of the input changes each bit of the output half of the time. */
static void every_bit_changes_every_bit(void **state)
{
	enum { TRIES = 4000 };
	static __u32 changes[128][64];
	__u32 key[HASH_KEYS], word[4];

	(void)state;
	start_random();
	for (int try = 0; try < TRIES; try++) {
		__u64 before;

		draw_key(key);
		for (int i = 0; i < 4; i++)
			word[i] = platform_random();
		before = hash_words(word[0], word[1], word[2], word[3], key);
		for (int bit = 0; bit < 128; bit++) {
			__u64 changed;

			word[bit / 32] ^= 1u << bit % 32;
			changed = before ^ hash_words(word[0], word[1], word[2], word[3], key);
			word[bit / 32] ^= 1u << bit % 32;
			for (int out = 0; out < 64; out++)
				changes[bit][out] += changed >> out & 1;
		}
	}
	/* 8192 rates: six standard deviations are no chance */
	for (int bit = 0; bit < 128; bit++)
		for (int out = 0; out < 64; out++)
			if (fabs((double)changes[bit][out] - TRIES / 2.0) > 6 * sqrt(TRIES / 4.0))
				fail_msg("bit %d changes bit %d in %u of %d", bit, out, changes[bit][out], TRIES);
}

/* Two tuples that share a first bucket under one key go apart under another: who finds some cannot keep them. */
static void another_key_is_another_order(void **state)
{
	enum { BUCKETS = 1024, TUPLES = 4096 };
	__u32 key[2][HASH_KEYS];
	__u32 together = 0, still = 0;

	(void)state;
	start_random();
	draw_key(key[0]);
	draw_key(key[1]);
	for (__u32 a = 0; a < TUPLES; a++)
		for (__u32 b = a + 1; b < TUPLES; b++) {
			if (hash_scale(hash_of(PATTERN_PORTS, a, key[0]), BUCKETS) !=
			    hash_scale(hash_of(PATTERN_PORTS, b, key[0]), BUCKETS))
				continue;
			together++;
			still += hash_scale(hash_of(PATTERN_PORTS, a, key[1]), BUCKETS) ==
				 hash_scale(hash_of(PATTERN_PORTS, b, key[1]), BUCKETS);
		}
	assert_true(together > TUPLES);
	assert_true(still < together / 100);
}

static void scale_is_even_and_in_range(void **state)
{
	static const __u32 num[] = { 1, 2, 3, 7, 16, 683, 65536, 699050, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < sizeof(num) / sizeof(num[0]); i++) {
		assert_int_equal(hash_scale(0, num[i]), 0);
		assert_int_equal(hash_scale(0xffffffff, num[i]), num[i] - 1);
		assert_in_range(hash_scale(0x80000000, num[i]), num[i] / 2, num[i] / 2);
	}
}

/* The two buckets of a key differ, and the third is in the stash, whatever the shape. */
static void places_are_three(void **state)
{
	static const __u32 num_buckets[] = { 2, 3, 16, 683, 43690 };

	(void)state;
	for (size_t i = 0; i < sizeof(num_buckets) / sizeof(num_buckets[0]); i++) {
		struct world world;

		world_open(&world, num_buckets[i], 1 + num_buckets[i] / 64, 1 + i);
		for (int n = 0; n < 20000; n++) {
			struct key key = {
				.tuple = { .addrs = (__u64)platform_random() << 32 | platform_random(),
					   .ports = platform_random(),
					   .proto = IPPROTO_TCP },
				.direction = n % 2 ? ENTRY_INBOUND : 0,
			};
			struct place place = store_place(&key);

			assert_true(place.bucket[0] < num_buckets[i]);
			assert_true(place.bucket[1] < num_buckets[i]);
			assert_int_not_equal(place.bucket[0], place.bucket[1]);
			assert_in_range(place.bucket[2], num_buckets[i],
					num_buckets[i] + world.header.shape.num_stash - 1);
		}
		world_close(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_spread_evenly),
		cmocka_unit_test(every_bit_changes_every_bit),
		cmocka_unit_test(another_key_is_another_order),
		cmocka_unit_test(scale_is_even_and_in_range),
		cmocka_unit_test(places_are_three),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
