/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of next hops under threads: two write records for ways that differ in every octet, one of them a generation late,
 * while two others read whatever the two refer to. No reader ever sees half of one way and half of another, nor a way of another
 * generation. Built with the thread sanitizer.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "hop.h"

#define NUM_WRITER 2
#define NUM_THREAD 4
#define NUM_GENERATION 20000
#define NUM_WAY (NEXT_HOP_WAYS + 2) /* more than there is room for */

static struct next_hop records[NUM_NEXT_HOP];
static __u32 generation_now = 1;
static __u32 reference[NUM_WRITER][NUM_WAY];
static __u64 num_read, num_torn, num_foreign, num_interned;

/* Every octet tells the way and its generation. */
static struct fast_way way_of(__u32 generation, __u32 number)
{
	struct fast_way way;

	memset(&way, generation * NUM_WAY + number, sizeof(way));
	return way;
}

static void write_ways(__u32 who)
{
	for (__u32 generation = 1; generation < NUM_GENERATION; generation++) {
		if (!who)
			WRITE_ONCE(generation_now, generation);
		for (__u32 number = 0; number < NUM_WAY; number++) {
			struct fast_way way = way_of(generation, number);
			__u32 next_hop = hop_intern(generation, &way, 3, 7);

			WRITE_ONCE(reference[who][number], next_hop);
			platform_add64(&num_interned, next_hop != 0);
		}
	}
	WRITE_ONCE(generation_now, NUM_GENERATION);
}

static void read_ways(void)
{
	__u32 turn = 0;

	while (READ_ONCE(generation_now) < NUM_GENERATION) {
		__u32 number = turn++ % NUM_WAY;
		__u32 next_hop = READ_ONCE(reference[turn & 1][number]);
		__u32 generation = next_hop >> NEXT_HOP_BITS; /* of a packet that has read it just now */
		const __u8 *octet;
		struct fast_way way;

		if (!hop_read(next_hop, generation, &way))
			continue;
		octet = (const __u8 *)&way;
		platform_add64(&num_read, 1);
		platform_add64(&num_torn, memcmp(octet, octet + 1, sizeof(way) - 1) != 0);
		platform_add64(&num_foreign, (__u8)(octet[0] - generation * NUM_WAY) >= NUM_WAY);
	}
}

static void *work(void *arg)
{
	__u32 number = *(const __u32 *)arg;

	platform = (struct platform){ .next_hop = records };
	if (number < NUM_WRITER)
		write_ways(number);
	else
		read_ways();
	return NULL;
}

static void no_way_is_torn(void **state)
{
	pthread_t thread[NUM_THREAD];
	__u32 number[NUM_THREAD];

	(void)state;
	for (__u32 i = 0; i < NUM_THREAD; i++) {
		number[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL, work, &number[i]), 0);
	}
	for (__u32 i = 0; i < NUM_THREAD; i++)
		pthread_join(thread[i], NULL);
	assert_true(num_interned > NUM_GENERATION);
	assert_true(num_read > 0);
	assert_int_equal(num_torn, 0);
	assert_int_equal(num_foreign, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_way_is_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
