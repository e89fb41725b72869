/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The MSS among the options of a SYN: found wherever it may stand, and only where it does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "mss.h"
#include "world.h"

/* The options in memory of just their length would be the better test, but the record is fixed: what is behind must not count. */
static __u32 find(const __u8 *octets, __u32 len)
{
	struct tcp_options options;

	memset(&options, TCP_OPTION_MSS, sizeof(options));
	for (__u32 i = 1; i < sizeof(options); i += 2)
		options.octet[i] = TCP_OPTION_MSS_LEN;
	memcpy(options.octet, octets, len);
	return mss_find(&options, len);
}

#define FIND(...) find((const __u8[]){ __VA_ARGS__ }, sizeof((const __u8[]){ __VA_ARGS__ }))

static void finds_it_at_every_offset(void **state)
{
	__u8 octets[TCP_OPTIONS_MAX];

	(void)state;
	for (__u32 before = 0; before <= TCP_OPTIONS_MAX - 4; before++) {
		memset(octets, TCP_OPTION_NOP, sizeof(octets));
		memcpy(octets + before, (__u8[]){ 2, 4, 5, 180 }, 4);
		assert_int_equal(find(octets, sizeof(octets)), before + 2);
		assert_int_equal(find(octets, before + 4), before + 2);
		/* cut off */
		for (__u32 len = before; len < before + 4; len++)
			assert_int_equal(find(octets, len), 0);
	}
}

static void finds_it_behind_others(void **state)
{
	(void)state;
	/* as Linux, and as Windows order them */
	assert_int_equal(FIND(2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7), 2);
	assert_int_equal(FIND(1, 3, 3, 8, 1, 1, 4, 2, 2, 4, 5, 180), 10);
	assert_int_equal(FIND(8, 10, 2, 4, 5, 180, 2, 4, 5, 180, 2, 4, 4, 176, 0, 0), 12);
	assert_int_equal(FIND(3, 3, 7, 2, 4, 5, 180, 0), 5);
	/* one of a strange length is another option */
	assert_int_equal(FIND(2, 3, 9, 2, 4, 5, 180, 0), 5);
	assert_int_equal(FIND(2, 6, 9, 9, 9, 9, 2, 4, 5, 180, 1, 1), 8);
}

static void finds_nothing(void **state)
{
	(void)state;
	assert_int_equal(find((const __u8[]){ 2 }, 0), 0);
	assert_int_equal(FIND(0, 0, 0, 0), 0);
	assert_int_equal(FIND(1, 1, 1, 1), 0);
	assert_int_equal(FIND(0, 2, 4, 5, 180, 0, 0, 0), 0); /* behind the end */
	assert_int_equal(FIND(3, 0, 2, 4, 5, 180, 0, 0), 0); /* behind what has no length */
	assert_int_equal(FIND(3, 1, 2, 4, 5, 180, 0, 0), 0);
	assert_int_equal(FIND(8, 255, 2, 4, 5, 180, 0, 0), 0);
	assert_int_equal(FIND(2, 0, 5, 180), 0);
	assert_int_equal(FIND(2, 4, 5), 0);
	assert_int_equal(FIND(1, 1, 1, 2), 0);
	assert_int_equal(FIND(1, 1, 1, 8), 0);
}

/* More octets than a header has room for is no header. */
static void finds_nothing_beyond_the_header(void **state)
{
	__u8 octets[TCP_OPTIONS_MAX + 4] = { 2, 4, 5, 180 };

	(void)state;
	assert_int_equal(find(octets, TCP_OPTIONS_MAX), 2);
	assert_int_equal(find(octets, TCP_OPTIONS_MAX + 1), 0);
}

/* Another way to say the same. */
static __u32 model(const __u8 *octet, __u32 len)
{
	const __u8 *begin = octet;

	while (len && *octet != 0) {
		__u32 size = 1;

		if (*octet != 1) {
			if (len < 2 || octet[1] < 2 || octet[1] > len)
				return 0;
			if (octet[0] == 2 && octet[1] == 4)
				return octet + 2 - begin;
			size = octet[1];
		}
		octet += size;
		len -= size;
	}
	return 0;
}

#define NUM_RANDOM 1000000

static void agrees_with_the_model(void **state)
{
	__u32 num_found = 0;

	(void)state;
	platform.random = world_seed() | 1;
	for (int n = 0; n < NUM_RANDOM; n++) {
		__u8 octets[TCP_OPTIONS_MAX];
		__u32 len = platform_random() % (TCP_OPTIONS_MAX + 1), found;

		for (__u32 i = 0; i < len; i++)
			octets[i] = platform_random() % (platform_random() % 8 ? 6 : 256);
		found = find(octets, len);
		assert_int_equal(found, model(octets, len));
		num_found += found > 0;
	}
	assert_true(num_found > NUM_RANDOM / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_it_at_every_offset),
		cmocka_unit_test(finds_it_behind_others),
		cmocka_unit_test(finds_nothing),
		cmocka_unit_test(finds_nothing_beyond_the_header),
		cmocka_unit_test(agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
