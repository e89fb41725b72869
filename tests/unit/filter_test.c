/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filters: which sessions each chooses, and what a wrong one is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "endpoint.h"
#include "filter.h"

#define NUM(array) (sizeof(array) / sizeof((array)[0]))

static struct endpoint at(const char *text)
{
	struct endpoint endpoint;
	struct fault fault;

	assert_int_equal(endpoint_parse(text, "endpoint", &endpoint, &fault), 0);
	return endpoint;
}

static void test_choice(void **state)
{
	static const struct {
		const char *words[3];
		bool match;
	} cases[] = {
		{ { NULL }, true },
		{ { "proto=tcp" }, true },
		{ { "proto=udp" }, false },
		{ { "internal=192.168.0.5" }, true },
		{ { "internal=192.168.0.5:1000" }, true },
		{ { "internal=192.168.0.5:1001" }, false },
		{ { "internal=192.168.0.6" }, false },
		{ { "internal=192.168.0.0/24" }, true },
		{ { "internal=192.168.1.0/24" }, false },
		{ { "internal=192.168.0.0/24:1000" }, true },
		{ { "internal=0.0.0.0/0" }, true },
		{ { "external=:50000" }, true },
		{ { "external=:0" }, false },
		{ { "external=192.0.2.1:50000" }, true },
		{ { "remote=192.0.2.8" }, true },
		{ { "remote=192.0.2.1" }, false },
		{ { "state=established" }, true },
		{ { "state=half-closed" }, false },
		{ { "proto=tcp", "remote=:80", "state=established" }, true },
		{ { "proto=tcp", "remote=:81", "state=established" }, false },
		{ { "proto=udp", "remote=:80", "state=established" }, false },
	};
	struct pair pair = {
		.internal = at("192.168.0.5:1000"),
		.external = at("192.0.2.1:50000"),
		.remote = at("192.0.2.8:80"),
		.proto = IPPROTO_TCP,
	};

	(void)state;
	for (size_t i = 0; i < NUM(cases); i++) {
		struct filter filter = {};
		struct fault fault;

		for (int n = 0; n < 3 && cases[i].words[n]; n++)
			if (filter_add(&filter, cases[i].words[n], FILTER_SESSION, &fault))
				fail_msg("%s", fault.text);
		if (filter_match(&filter, &pair, SESSION_ESTABLISHED) != cases[i].match)
			fail_msg("case %zu: %s", i, cases[i].words[0]);
	}
}

static void test_failures(void **state)
{
	static const struct {
		const char *words[2];
		bool match;
	} cases[] = {
		{ { NULL }, true },
		{ { "reason=no-port" }, true },
		{ { "reason=no-room" }, false },
		{ { "reason=no-port", "proto=udp" }, false },
		{ { "reason=no-port", "internal=192.168.0.5" }, true },
	};
	struct pair pair = { .internal = at("192.168.0.5:1000"), .remote = at("192.0.2.8:80"), .proto = IPPROTO_TCP };

	(void)state;
	for (size_t i = 0; i < NUM(cases); i++) {
		struct filter filter = {};
		struct fault fault;

		for (int n = 0; n < 2 && cases[i].words[n]; n++)
			if (filter_add(&filter, cases[i].words[n], FILTER_FAILURE, &fault))
				fail_msg("%s", fault.text);
		if (filter_match_failure(&filter, &pair, REFUSED_NO_PORT) != cases[i].match)
			fail_msg("case %zu: %s", i, cases[i].words[0]);
	}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *word;
		unsigned int allowed;
		const char *says;
	} bad[] = {
		{ "", FILTER_SESSION, "proto=, internal=, external=, remote= and state= are" },
		{ "tcp", FILTER_SESSION, "not a filter" },
		{ "prot=tcp", FILTER_SESSION, "not a filter" },
		{ "proto", FILTER_SESSION, "not a filter" },
		{ "protocol=tcp", FILTER_SESSION, "not a filter" },
		{ "=tcp", FILTER_SESSION, "not a filter" },
		{ "proto=", FILTER_SESSION, "tcp, udp or icmp" },
		{ "proto=6", FILTER_SESSION, "tcp, udp or icmp" },
		{ "state=open", FILTER_SESSION, "half-closed" },
		{ "state=active", FILTER_MAPPING, "proto=, internal= and external= are accepted" },
		{ "remote=192.0.2.8", FILTER_PORTS, "proto= and external= are accepted" },
		{ "proto=tcp", 0, "nothing can be filtered" },
		{ "reason=no-port", FILTER_SESSION, "remote= and state= are accepted" },
		{ "state=active", FILTER_FAILURE, "proto=, internal=, external=, remote= and reason= are accepted" },
		{ "reason=", FILTER_FAILURE, "no-port" },
		{ "reason=outbound", FILTER_FAILURE, "no-port" },
		{ "remote=", FILTER_SESSION, "ADDRESS/LENGTH" },
		{ "remote=:", FILTER_SESSION, "ADDRESS/LENGTH" },
		{ "remote=:65536", FILTER_SESSION, "ADDRESS/LENGTH" },
		{ "remote=:1234567", FILTER_SESSION, "ADDRESS/LENGTH" },
		{ "remote=192.0.2.8:", FILTER_SESSION, "ADDRESS/LENGTH" },
		{ "remote=192.0.2.8:80/24", FILTER_SESSION, "ADDRESS/LENGTH" },
		{ "remote=192.0.2.8/33", FILTER_SESSION, "ADDRESS/LENGTH" },
		{ "remote=1234567890.1234567890.1234567890", FILTER_SESSION, "ADDRESS/LENGTH" },
		{ "remote=host.example", FILTER_SESSION, "ADDRESS/LENGTH" },
		{ "remote=192.0.2.8/24", FILTER_SESSION, "did you mean 192.0.2.0/24" },
	};

	(void)state;
	for (size_t i = 0; i < NUM(bad); i++) {
		struct filter filter = {};
		struct fault fault;

		if (filter_add(&filter, bad[i].word, bad[i].allowed, &fault) != -EINVAL)
			fail_msg("\"%s\" was accepted", bad[i].word);
		if (!strstr(fault.text, bad[i].says))
			fail_msg("\"%s\": %s", bad[i].word, fault.text);
		assert_int_equal(filter.fields, 0);
	}
}

static void test_twice(void **state)
{
	struct filter filter = {};
	struct fault fault;

	(void)state;
	assert_int_equal(filter_add(&filter, "proto=tcp", FILTER_SESSION, &fault), 0);
	assert_int_equal(filter_add(&filter, "proto=udp", FILTER_SESSION, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "proto= is there twice"));
	assert_int_equal(filter.proto, IPPROTO_TCP);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_twice),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
