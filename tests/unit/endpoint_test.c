/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, endpoints and prefixes: what may be written, and that it is read as it was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "endpoint.h"
#include "platform.h"

#define NUM(array) (sizeof(array) / sizeof((array)[0]))

static void test_good_endpoints(void **state)
{
	static const char *const good[] = { "192.0.2.1:50000", "0.0.0.0:0", "255.255.255.255:65535", "10.0.0.1:1" };
	char text[ENDPOINT_TEXT];

	(void)state;
	for (size_t i = 0; i < NUM(good); i++) {
		struct endpoint endpoint;
		struct fault fault;

		assert_int_equal(endpoint_parse(good[i], "endpoint", &endpoint, &fault), 0);
		assert_string_equal(endpoint_format(endpoint, text), good[i]);
	}
}

static void test_byte_order(void **state)
{
	struct endpoint endpoint;
	struct fault fault;

	(void)state;
	assert_int_equal(endpoint_parse("192.0.2.1:258", "endpoint", &endpoint, &fault), 0);
	assert_memory_equal(&endpoint.addr, "\xc0\x00\x02\x01", 4);
	assert_memory_equal(&endpoint.port, "\x01\x02", 2);
	assert_int_equal(endpoint.unused, 0);
}

static void test_bad_endpoints(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"192.0.2.1",
		"192.0.2.1:",
		":80",
		"192.0.2.1:65536",
		"192.0.2.1:-1",
		"192.0.2.1:+1",
		"192.0.2.1: 1",
		"192.0.2.1:1 ",
		"192.0.2:80",
		"192.0.2.256:80",
		"192.0.2.1.1:80",
		"192.0.2.1:0x1f",
		"192.0.2.1:80:80",
		"192.0.2.1:0000080",
		"[::1]:80",
		"host.example:80",
		"192.0.2.01:80",
	};
	struct endpoint before = { .addr = 1, .port = 2 }, endpoint = before;
	struct fault fault;

	(void)state;
	for (size_t i = 0; i < NUM(bad); i++) {
		if (endpoint_parse(bad[i], "remote endpoint", &endpoint, &fault) != -EINVAL)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_non_null(strstr(fault.text, "remote endpoint"));
		assert_non_null(strstr(fault.text, "such as 192.0.2.1:50000"));
		assert_memory_equal(&endpoint, &before, sizeof(before));
	}
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *text;
		const char *expect; /* as it is written again, or what the fault says */
		int error;
	} cases[] = {
		{ "192.168.0.0/24", "192.168.0.0/24", 0 },
		{ "0.0.0.0/0", "0.0.0.0/0", 0 },
		{ "192.168.0.5", "192.168.0.5/32", 0 },
		{ "192.168.0.5/32", "192.168.0.5/32", 0 },
		{ "128.0.0.0/1", "128.0.0.0/1", 0 },
		{ "192.168.0.4/31", "192.168.0.4/31", 0 },
		{ "192.168.0.5/24", "192.168.0.0/24?", -ERANGE },
		{ "1.0.0.0/0", "0.0.0.0/0?", -ERANGE },
		{ "192.168.0.0/33", "such as", -EINVAL },
		{ "192.168.0.0/", "such as", -EINVAL },
		{ "192.168.0.0/-1", "such as", -EINVAL },
		{ "192.168.0.0/255.255.255.0", "such as", -EINVAL },
		{ "192.168/16", "such as", -EINVAL },
		{ "/8", "such as", -EINVAL },
		{ "", "such as", -EINVAL },
	};
	char text[PREFIX_TEXT];

	(void)state;
	for (size_t i = 0; i < NUM(cases); i++) {
		struct prefix prefix = {};
		struct fault fault;

		assert_int_equal(prefix_parse(cases[i].text, "--internal", &prefix, &fault), cases[i].error);
		if (!cases[i].error)
			assert_string_equal(prefix_format(prefix, text), cases[i].expect);
		else if (!strstr(fault.text, cases[i].expect))
			fail_msg("\"%s\": %s", cases[i].text, fault.text);
	}
}

/* Every length: the mask has that many bits, from the left. */
static void test_masks(void **state)
{
	char text[PREFIX_TEXT];

	(void)state;
	for (int length = 0; length <= 32; length++) {
		struct prefix prefix;
		struct fault fault;

		snprintf(text, sizeof(text), "0.0.0.0/%d", length);
		assert_int_equal(prefix_parse(text, "prefix", &prefix, &fault), 0);
		assert_int_equal(be32_to_cpu(prefix.mask), (__u32) ~(0xffffffffull >> length));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_endpoints), cmocka_unit_test(test_byte_order),
		cmocka_unit_test(test_bad_endpoints),  cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_masks),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
