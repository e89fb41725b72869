/* SPDX-License-Identifier: GPL-2.0-or-later */
/* External addresses as they are listed, and sets of addresses as the fewest prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "endpoint.h"
#include "platform.h"
#include "prefixes.h"

#define NUM_ROUNDS 2000

static void add(struct external_items *items, const char *text)
{
	struct fault fault;

	if (external_items_add(items, text, "--external", &fault))
		fail_msg("%s: %s", text, fault.text);
}

static void test_list(void **state)
{
	struct external_items items = {};
	__be32 addr[MAX_EXTERNAL];

	(void)state;
	add(&items, "192.0.2.7");
	add(&items, "198.51.100.8/30");
	add(&items, "192.0.2.1/32");
	assert_int_equal(external_items_count(&items), 6);
	assert_int_equal(external_items_list(&items, addr), 6);
	assert_int_equal(addr[0], inet_addr("192.0.2.7"));
	assert_int_equal(addr[1], inet_addr("198.51.100.8"));
	assert_int_equal(addr[4], inet_addr("198.51.100.11"));
	assert_int_equal(addr[5], inet_addr("192.0.2.1"));
	assert_ptr_equal(external_items_find(&items, addr[3]), &items.item[1]);
	assert_null(external_items_find(&items, inet_addr("198.51.100.12")));
}

static void test_as_many_as_can_be(void **state)
{
	struct external_items items = {};
	__be32 addr[MAX_EXTERNAL];
	struct fault fault;

	(void)state;
	add(&items, "198.51.100.0/24");
	assert_int_equal(external_items_list(&items, addr), MAX_EXTERNAL);
	assert_int_equal(addr[255], inet_addr("198.51.100.255"));
	assert_int_equal(external_items_add(&items, "192.0.2.1", "--external", &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "257 addresses"));
}

static void test_too_many_items(void **state)
{
	struct external_items items = {};
	struct fault fault;
	char text[24];

	(void)state;
	for (int i = 0; i < MAX_EXTERNAL_ITEMS; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d", i);
		add(&items, text);
	}
	assert_int_equal(external_items_add(&items, "192.0.2.99", "--external", &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "at most 32"));
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} bad[] = {
		{ "", "not a prefix" },
		{ "example.org", "not a prefix" },
		{ "192.0.2.1:50000", "not a prefix" },
		{ "fd00::1", "not a prefix" },
		{ "192.0.2.1/24", "did you mean 192.0.2.0/24" },
		{ "192.0.2.8/33", "not a prefix" },
		{ "10.0.0.0/8", "16777219 addresses" },
		{ "0.0.0.0/0", "4294967299 addresses" },
		{ "192.0.2.1", "overlaps 192.0.2.1/32" },
		{ "192.0.2.0/30", "overlaps 192.0.2.1/32" },
		{ "198.51.100.3", "overlaps 198.51.100.2/31" },
		{ "0.0.0.0", "no machine" },
		{ "127.0.0.1", "no machine" },
		{ "127.1.2.0/24", "that makes 259" },
		{ "224.0.0.1", "no machine" },
		{ "240.0.0.0/28", "no machine" },
		{ "255.255.255.255", "no machine" },
	};
	struct external_items items = {}, before;
	struct fault fault;

	(void)state;
	add(&items, "192.0.2.1");
	add(&items, "198.51.100.2/31");
	before = items;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(external_items_add(&items, bad[i].text, "--external", &fault), 0);
		if (!strstr(fault.text, bad[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].text, fault.text, bad[i].says);
		assert_memory_equal(&items, &before, sizeof(items));
	}
}

static bool is_in_one(const struct prefix *prefix, __u32 num, __be32 addr)
{
	__u32 in = 0;

	for (__u32 i = 0; i < num; i++)
		in += addr_is_in(&prefix[i], addr);
	assert_true(in <= 1);
	return in;
}

/* Against flags for the addresses of one /24; the fewest: no two neighbours make a larger one. */
static void test_cover(void **state)
{
	(void)state;
	platform.random = 4632;
	for (int round = 0; round < NUM_ROUNDS; round++) {
		bool wanted[256] = {};
		struct prefix prefix[256];
		__be32 addr[300];
		__u32 num = 0, num_prefixes, share = 1 + platform_random() % 16, different = 0;

		for (int i = 0; i < 256; i++)
			wanted[i] = platform_random() % 16 < share;
		for (int i = 255; i >= 0; i--)
			if (wanted[i]) {
				addr[num++] = htonl(0xc6336400u + i);
				different++;
			}
		for (__u32 i = 0; num && i < 40; i++, num++)
			addr[num] = addr[platform_random() % num];
		num_prefixes = prefixes_cover(addr, &num, prefix, 256);
		assert_int_equal(num, different);
		for (int i = 0; i < 256; i++)
			assert_int_equal(is_in_one(prefix, num_prefixes, htonl(0xc6336400u + i)), wanted[i]);
		for (__u32 i = 1; i < num_prefixes; i++) {
			struct prefix both = { .addr = prefix[i - 1].addr, .mask = htonl(ntohl(prefix[i].mask) << 1) };

			assert_true(ntohl(prefix[i - 1].addr) < ntohl(prefix[i].addr));
			assert_false(prefix[i].mask == prefix[i - 1].mask && !(both.addr & ~both.mask) &&
				     addr_is_in(&both, prefix[i].addr));
		}
	}
}

static void test_cover_stops(void **state)
{
	__be32 addr[] = { inet_addr("192.0.2.1"), inet_addr("192.0.2.3"), inet_addr("192.0.2.5") };
	struct prefix prefix[2];
	__u32 num = 3;

	(void)state;
	assert_int_equal(prefixes_cover(addr, &num, prefix, 2), 2);
	assert_int_equal(prefix[1].addr, inet_addr("192.0.2.3"));
	num = 0;
	assert_int_equal(prefixes_cover(addr, &num, prefix, 2), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),           cmocka_unit_test(test_as_many_as_can_be),
		cmocka_unit_test(test_too_many_items), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cover),          cmocka_unit_test(test_cover_stops),
	};

	return cmocka_run_group_tests_name("prefixes", tests, NULL, NULL);
}
