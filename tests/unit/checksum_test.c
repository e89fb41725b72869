/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Internet checksum beside one that adds word by word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checksum.h"
#include "world.h"

/* RFC 1071 §1: the sum of all 16-bit words, carries added back one at a time. */
static __u16 naive_sum(const __u16 *word, size_t num)
{
	__u32 sum = 0;

	for (size_t i = 0; i < num; i++) {
		sum += word[i];
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

/* 0 and 0xffff are the same number in one's complement. */
static bool same(__u16 a, __u16 b)
{
	return a == b || (!a && b == 0xffff) || (!b && a == 0xffff);
}

static void start_random(void)
{
	platform.random = world_seed() | 1;
}

static void fold_keeps_the_sum(void **state)
{
	static const __u64 edge[] = { 0,       1,          0xffff,     0x10000,     0x1fffe,
				      0x1ffff, 0xffff0000, 0xffffffff, 0x100000000, 0xffffffffffff };

	(void)state;
	start_random();
	for (__u32 i = 0; i < 100000; i++) {
		__u64 sum = i < sizeof(edge) / sizeof(edge[0])
				    ? edge[i]
				    : (__u64)(platform_random() & 0xffff) << 32 | platform_random();

		assert_int_equal(checksum_fold64(sum) % 0xffff, sum % 0xffff);
		assert_int_equal(checksum_fold(sum) % 0xffff, (__u32)sum % 0xffff);
		/* only zero folds to zero */
		assert_int_equal(checksum_fold64(sum) == 0, sum == 0);
	}
}

/* The example of RFC 1624 §4: header checksum 0xdd2f, a field goes from 0x5555 to 0x3285, and 0x0000 is right, not 0xffff. */
static void the_example_of_the_rfc(void **state)
{
	__u16 checksum = 0xdd2f;

	(void)state;
	checksum_replace16(&checksum, 0x5555, 0x3285);
	assert_int_equal(checksum, 0x0000);
}

static void replacing_is_as_good_as_summing_anew(void **state)
{
	__u16 word[12];

	(void)state;
	start_random();
	for (int i = 0; i < 200000; i++) {
		__u32 at = hash_scale(platform_random(), 5) * 2;
		__u16 checksum;
		__u32 from, to;

		for (int w = 0; w < 12; w++) {
			__u32 random = platform_random();

			/* many zeros and ones: where the edges are */
			word[w] = random & 0x30000 ? random : random & 0x40000 ? 0xffff : 0;
		}
		word[0] |= 1; /* a header is never all zero */
		checksum = ~naive_sum(word, 12);
		memcpy(&from, &word[at], sizeof(from));
		to = platform_random() & 3 ? platform_random() : 0;
		if (i % 2) {
			checksum_replace32(&checksum, from, to);
			memcpy(&word[at], &to, sizeof(to));
		} else {
			checksum_replace16(&checksum, word[at], to);
			word[at] = to;
		}
		if (!same(checksum, ~naive_sum(word, 12)))
			fail_msg("%#x is replaced by %#x: checksum %#x, not %#x", from, to, checksum,
				 (__u16)~naive_sum(word, 12));
	}
}

static void there_and_back(void **state)
{
	(void)state;
	start_random();
	for (int i = 0; i < 100000; i++) {
		__u16 before = platform_random(), checksum = before;
		__u32 from = platform_random(), to = platform_random();

		checksum_replace32(&checksum, from, to);
		checksum_replace32(&checksum, to, from);
		assert_true(same(checksum, before));
	}
}

static void a_header_of_every_length(void **state)
{
	(void)state;
	start_random();
	for (__u32 num_words = 5; num_words <= 15; num_words++)
		for (int i = 0; i < 2000; i++) {
			/* on the heap and no longer than it says, so that the sanitizer sees a step too far */
			__u32 *header = malloc(num_words * sizeof(__u32));
			__u16 *half = (__u16 *)header;
			const void *end = header + num_words;

			assert_non_null(header);
			for (__u32 w = 0; w < num_words; w++)
				header[w] = platform_random();
			half[5] = 0;
			half[5] = ~naive_sum(half, 2 * num_words);
			assert_int_equal(checksum_ip_header(header, end, num_words), 0xffff);
			half[hash_scale(platform_random(), 2 * num_words)] ^= 1 << hash_scale(platform_random(), 16);
			assert_int_not_equal(checksum_ip_header(header, end, num_words), 0xffff);
			free(header);
		}
}

static void a_header_that_does_not_fit(void **state)
{
	(void)state;
	for (__u32 num_words = 5; num_words <= 15; num_words++) {
		__u32 *header = malloc(num_words * sizeof(__u32));

		assert_non_null(header);
		memset(header, 0x11, num_words * sizeof(__u32));
		assert_int_not_equal(checksum_ip_header(header, header + num_words, num_words), 0);
		assert_int_equal(checksum_ip_header(header, (char *)(header + num_words) - 1, num_words), 0);
		assert_int_equal(checksum_ip_header(header, header + num_words - 1, num_words), 0);
		assert_int_equal(checksum_ip_header(header, header, num_words), 0);
		free(header);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fold_keeps_the_sum),
		cmocka_unit_test(the_example_of_the_rfc),
		cmocka_unit_test(replacing_is_as_good_as_summing_anew),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(a_header_of_every_length),
		cmocka_unit_test(a_header_that_does_not_fit),
	};

	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
