/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether quotas that do not count what there is are told, and those that do are not. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quota.h"
#include "quota_check.h"
#include "store_write.h"
#include "usage.h"
#include "world.h"

struct site {
	struct world world;
	struct quota_map map;
	size_t num_told;
	char told[512];
};

static void open_site(struct site *site)
{
	memset(site, 0, sizeof(*site));
	world_open(&site->world, 64, 4, 7);
	site->map.max = QUOTA_MAP_SLOTS;
	site->world.config.max_sessions = 100;
	quota_map = &site->map;
}

static void close_site(struct site *site)
{
	quota_map = NULL;
	world_close(&site->world);
}

static struct endpoint endpoint_of(const char *addr, __u16 port)
{
	return (struct endpoint){ .addr = inet_addr(addr), .port = htons(port) };
}

static void insert(const char *internal, __u16 port, __u8 flags)
{
	struct pair pair = {
		.internal = endpoint_of(internal, port),
		.external = endpoint_of("192.0.2.1", port),
		.proto = IPPROTO_UDP,
		.flags = flags,
	};

	if (!(flags & ENTRY_MAPPING))
		pair.remote = endpoint_of("198.51.100.8", 53);
	assert_int_equal(store_insert(&pair, PHASE_LIVE, PHASE_LIVE, flags & ENTRY_MAPPING ? 1 : 0, true), INSERT_DONE);
}

static void note(const struct violation *violation, void *ctx)
{
	struct site *site = ctx;

	assert_int_equal(violation->rule, RULE_QUOTA);
	site->num_told++;
	strncat(site->told, violation->text, sizeof(site->told) - strlen(site->told) - 1);
}

/* Two hosts with what is counted for them, one with something that is older than the quotas, one with nothing. */
static void fill(void)
{
	insert("192.168.0.5", 1000, ENTRY_QUOTA | ENTRY_COUNTED);
	insert("192.168.0.5", 1000, ENTRY_QUOTA | ENTRY_MAPPING);
	insert("192.168.0.5", 1001, ENTRY_QUOTA);
	insert("192.168.0.6", 1002, ENTRY_QUOTA);
	insert("192.168.0.6", 1003, 0);
	insert("192.168.0.7", 1004, ENTRY_MAPPING);
	insert("192.0.2.1", 1005, ENTRY_HOST);
	for (int i = 0; i < 2; i++)
		quota_take(inet_addr("192.168.0.5"), QUOTA_SESSION);
	quota_take(inet_addr("192.168.0.5"), QUOTA_PORT);
	quota_take(inet_addr("192.168.0.6"), QUOTA_SESSION);
	quota_take(inet_addr("192.168.0.8"), QUOTA_SESSION);
	quota_give(inet_addr("192.168.0.8"), QUOTA_SESSION);
}

static void what_is_right_is_not_told(void **state)
{
	struct site site;

	(void)state;
	open_site(&site);
	assert_int_equal(quota_check(-1, note, &site), 0);
	fill();
	assert_int_equal(quota_check(-1, note, &site), 0);
	assert_int_equal(site.num_told, 0);
	close_site(&site);
}

static void what_is_wrong_is_told(void **state)
{
	static const struct {
		const char *addr;
		__s32 sessions, ports;
		const char *text;
	} cases[] = {
		{ "192.168.0.5", 1, 0, "the quota of 192.168.0.5 counts +1 sessions and +0 ports beside" },
		{ "192.168.0.5", -2, -1, "the quota of 192.168.0.5 counts -2 sessions and -1 ports beside" },
		{ "192.168.0.6", 0, 2, "the quota of 192.168.0.6 counts +0 sessions and +2 ports beside" },
		{ "192.168.0.8", 1, 0, "the quota of 192.168.0.8 counts +1 sessions and +0 ports beside" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct site site;
		struct quota *quota;

		open_site(&site);
		fill();
		quota = platform_quota_find(inet_addr(cases[i].addr));
		assert_non_null(quota);
		quota->num_sessions += cases[i].sessions;
		quota->num_ports += cases[i].ports;
		assert_int_equal(quota_check(-1, note, &site), 1);
		assert_int_equal(site.num_told, 1);
		assert_non_null(strstr(site.told, cases[i].text));
		close_site(&site);
	}
}

static void a_record_that_is_missing_is_told(void **state)
{
	struct site site;

	(void)state;
	open_site(&site);
	fill();
	platform_quota_remove(inet_addr("192.168.0.6"));
	platform_quota_find(inet_addr("192.168.0.5"))->dead = 1;
	assert_int_equal(quota_check(-1, note, &site), 2);
	assert_non_null(strstr(site.told, "192.168.0.5 counts -2 sessions and -1 ports"));
	assert_non_null(strstr(site.told, "192.168.0.6 counts -1 sessions and +0 ports"));
	close_site(&site);
}

static void usage_adds_up_for_each_host(void **state)
{
	static const struct {
		const char *addr;
		struct usage usage;
	} want[] = {
		{ "192.168.0.5", { 0, 2, 1, 2, 1 } },
		{ "192.168.0.6", { 0, 2, 0, 1, 0 } },
		{ "192.168.0.7", { 0, 0, 1, 0, 0 } },
	};
	struct usage *usage;
	struct site site;
	size_t num;

	(void)state;
	open_site(&site);
	fill();
	assert_int_equal(usage_read(NULL, false, &usage, &num), 0);
	assert_int_equal(num, 3);
	for (size_t i = 0; i < num; i++) {
		assert_int_equal(usage[i].addr, inet_addr(want[i].addr));
		usage[i].addr = 0;
		assert_memory_equal(&usage[i], &want[i].usage, sizeof(usage[i]));
	}
	free(usage);
	close_site(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_right_is_not_told),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(a_record_that_is_missing_is_told),
		cmocka_unit_test(usage_adds_up_for_each_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
