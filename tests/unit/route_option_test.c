/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP options that tell a way: records become no-operations, source routes are found, all else stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "route_option.h"
#include "world.h"

#define NOP IP_OPTION_NOP
#define RECORD IP_OPTION_RECORD_ROUTE
#define STAMP IP_OPTION_TIMESTAMP

struct sample {
	const char *name;
	__u32 len;
	__u8 octets[16];
	enum route_option found;
	__u8 after[16];
};

static const struct sample samples[] = {
	{ "none", 0, { RECORD, 7, 4, 1, 2, 3, 4 }, ROUTE_OPTION_NONE, { RECORD, 7, 4, 1, 2, 3, 4 } },
	{ "no-operations", 4, { NOP, NOP, NOP, 0 }, ROUTE_OPTION_NONE, { NOP, NOP, NOP, 0 } },
	{ "router alert", 4, { 148, 4, 0, 0 }, ROUTE_OPTION_NONE, { 148, 4, 0, 0 } },
	{ "record",
	  8,
	  { RECORD, 7, 8, 10, 0, 0, 1, 0 },
	  ROUTE_OPTION_HIDDEN,
	  { NOP, NOP, NOP, NOP, NOP, NOP, NOP, 0 } },
	{ "record between others",
	  12,
	  { NOP, RECORD, 7, 8, 10, 0, 0, 1, 148, 4, 0, 0 },
	  ROUTE_OPTION_HIDDEN,
	  { NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, 148, 4, 0, 0 } },
	{ "record behind the end",
	  8,
	  { 0, RECORD, 7, 8, 10, 0, 0, 1 },
	  ROUTE_OPTION_NONE,
	  { 0, RECORD, 7, 8, 10, 0, 0, 1 } },
	{ "record that is cut off", 4, { RECORD, 7, 8, 10 }, ROUTE_OPTION_NONE, { RECORD, 7, 8, 10 } },
	{ "record without length", 4, { RECORD, 0, 8, 10 }, ROUTE_OPTION_NONE, { RECORD, 0, 8, 10 } },
	{ "record of length 1", 4, { RECORD, 1, 8, 10 }, ROUTE_OPTION_NONE, { RECORD, 1, 8, 10 } },
	{ "timestamps", 8, { STAMP, 8, 5, 0x10, 10, 0, 0, 1 }, ROUTE_OPTION_NONE, { STAMP, 8, 5, 0x10, 10, 0, 0, 1 } },
	{ "timestamps with addresses",
	  12,
	  { STAMP, 12, 5, 0x11, 10, 0, 0, 1, 9, 9, 9, 9 },
	  ROUTE_OPTION_HIDDEN,
	  { NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP } },
	{ "timestamps of given addresses",
	  12,
	  { STAMP, 12, 5, 3, 10, 0, 0, 1, 9, 9, 9, 9 },
	  ROUTE_OPTION_HIDDEN,
	  { NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP, NOP } },
	{ "two records",
	  8,
	  { RECORD, 3, 4, RECORD, 3, 4, 0, 0 },
	  ROUTE_OPTION_HIDDEN,
	  { NOP, NOP, NOP, NOP, NOP, NOP, 0, 0 } },
	{ "loose route", 8, { IP_OPTION_LOOSE_ROUTE, 7, 4, 10, 0, 0, 1, 0 }, ROUTE_OPTION_SOURCE, { 0 } },
	{ "strict route", 8, { NOP, IP_OPTION_STRICT_ROUTE, 7, 4, 10, 0, 0, 1 }, ROUTE_OPTION_SOURCE, { 0 } },
	{ "route behind a record", 12, { RECORD, 3, 4, NOP, 131, 7, 4, 10, 0, 0, 1, 0 }, ROUTE_OPTION_SOURCE, { 0 } },
};

static void treats_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *sample = &samples[i];
		struct ip_options options = {};

		memcpy(options.octet, sample->octets, sizeof(sample->octets));
		if (route_option_hide(&options, sample->len) != sample->found)
			fail_msg("%s", sample->name);
		if (sample->found != ROUTE_OPTION_SOURCE &&
		    memcmp(options.octet, sample->after, sizeof(sample->after)) != 0)
			fail_msg("%s: other octets", sample->name);
	}
}

/* The longest record there can be, and options of every length behind it. */
static void hides_a_long_record(void **state)
{
	(void)state;
	for (__u32 len = 3; len <= IP_OPTIONS_MAX; len++) {
		struct ip_options options;

		memset(&options, 0xee, sizeof(options));
		options.octet[0] = RECORD;
		options.octet[1] = len;
		assert_int_equal(route_option_hide(&options, IP_OPTIONS_MAX), ROUTE_OPTION_HIDDEN);
		for (__u32 i = 0; i < sizeof(options); i++)
			assert_int_equal(options.octet[i], i < len ? NOP : 0xee);
	}
}

#define NUM_RANDOM 300000

/* Any octets: nothing behind the end changes, and what was hidden is not found again. */
static void survives_garbage(void **state)
{
	(void)state;
	platform.random = world_seed() | 1;
	for (int n = 0; n < NUM_RANDOM; n++) {
		static const __u8 kinds[] = { 0, 1, 3, 4, 7, 7, 8, 68, 68, 131 };
		struct ip_options options, before;
		__u32 len = platform_random() % (IP_OPTIONS_MAX + 1);
		enum route_option found;

		for (__u32 i = 0; i < sizeof(options); i++)
			options.octet[i] = kinds[platform_random() % sizeof(kinds)];
		before = options;
		found = route_option_hide(&options, len);
		assert_memory_equal(options.octet + len, before.octet + len, sizeof(options) - len);
		assert_true(found != ROUTE_OPTION_NONE || memcmp(&options, &before, sizeof(options)) == 0);
		if (found != ROUTE_OPTION_SOURCE)
			assert_int_equal(route_option_hide(&options, len), ROUTE_OPTION_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(treats_samples),
		cmocka_unit_test(hides_a_long_record),
		cmocka_unit_test(survives_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
