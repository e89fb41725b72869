/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quotas: what an internal host may have, what is counted, and what is given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quota.h"
#include "world.h"

#define ONE 0x0500a8c0
#define OTHER 0x0600a8c0

struct site {
	struct world world;
	struct quota_map map;
};

static void open_site(struct site *site, __u32 max_ports, __u32 max_sessions, __u32 max_new_per_s)
{
	memset(site, 0, sizeof(*site));
	world_open(&site->world, 8, 1, world_seed());
	site->map.max = QUOTA_MAP_SLOTS;
	quota_map = &site->map;
	site->world.config.max_ports = max_ports;
	site->world.config.max_sessions = max_sessions;
	site->world.config.max_new_per_s = max_new_per_s;
}

static void close_site(struct site *site)
{
	quota_map = NULL;
	world_close(&site->world);
}

static void assert_counts(__be32 addr, __u32 sessions, __u32 ports)
{
	struct quota *quota = platform_quota_find(addr);

	assert_int_equal(quota ? quota->num_sessions : 0, sessions);
	assert_int_equal(quota ? quota->num_ports : 0, ports);
}

/* ---- limits --------------------------------------------------------------------------------------------------- */

static void limits_hold_for_each_host_alone(void **state)
{
	static const struct {
		enum quota_item item;
		__u32 max_ports, max_sessions, max_new_per_s;
		enum quota_result beyond;
	} cases[] = {
		{ QUOTA_PORT, 3, 0, 0, QUOTA_NO_PORT },       { QUOTA_PORT, 3, 1, 1, QUOTA_NO_PORT },
		{ QUOTA_PORT, 0, 1, 1, QUOTA_COUNTED },       { QUOTA_SESSION, 0, 3, 0, QUOTA_NO_SESSION },
		{ QUOTA_SESSION, 1, 3, 0, QUOTA_NO_SESSION }, { QUOTA_SESSION, 0, 0, 3, QUOTA_NO_RATE },
		{ QUOTA_SESSION, 0, 3, 3, QUOTA_NO_SESSION }, { QUOTA_SESSION, 1, 0, 0, QUOTA_COUNTED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct site site;

		open_site(&site, cases[i].max_ports, cases[i].max_sessions, cases[i].max_new_per_s);
		for (int n = 0; n < 3; n++)
			assert_int_equal(quota_take(ONE, cases[i].item), QUOTA_COUNTED);
		for (int n = 0; n < 2; n++)
			assert_int_equal(quota_take(ONE, cases[i].item), cases[i].beyond);
		assert_int_equal(quota_take(OTHER, cases[i].item), QUOTA_COUNTED);
		close_site(&site);
	}
}

static void what_is_given_back_can_be_taken_again(void **state)
{
	struct site site;

	(void)state;
	open_site(&site, 1, 1, 0);
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
	assert_int_equal(quota_take(ONE, QUOTA_PORT), QUOTA_COUNTED);
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_NO_SESSION);
	assert_int_equal(quota_take(ONE, QUOTA_PORT), QUOTA_NO_PORT);
	assert_counts(ONE, 1, 1);
	assert_true(quota_give(ONE, QUOTA_SESSION));
	assert_int_equal(quota_take(ONE, QUOTA_PORT), QUOTA_NO_PORT);
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
	assert_true(quota_give(ONE, QUOTA_PORT));
	assert_int_equal(quota_take(ONE, QUOTA_PORT), QUOTA_COUNTED);
	assert_counts(ONE, 1, 1);
	close_site(&site);
}

static void a_lower_limit_refuses_until_it_is_kept(void **state)
{
	struct site site;

	(void)state;
	open_site(&site, 0, 5, 0);
	for (int n = 0; n < 5; n++)
		assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
	site.world.config.max_sessions = 2;
	for (int n = 5; n > 1; n--) {
		assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_NO_SESSION);
		quota_give(ONE, QUOTA_SESSION);
	}
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
	assert_counts(ONE, 2, 0);
	close_site(&site);
}

/* ---- the rate ------------------------------------------------------------------------------------------------- */

static void the_rate_is_that_of_one_second(void **state)
{
	struct site site;

	(void)state;
	open_site(&site, 0, 0, 2);
	for (int second = 0; second < 5; second++) {
		assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
		assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
		/* refused attempts do not make it wait any longer */
		for (int n = 0; n < 10; n++)
			assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_NO_RATE);
		platform.now++;
	}
	assert_counts(ONE, 10, 0);
	/* what ends does not make room for new ones in the same second: that would be no rate */
	quota_take(ONE, QUOTA_SESSION);
	quota_take(ONE, QUOTA_SESSION);
	quota_give(ONE, QUOTA_SESSION);
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_NO_RATE);
	close_site(&site);
}

static void a_failed_attempt_uses_up_nothing(void **state)
{
	struct site site;

	(void)state;
	open_site(&site, 0, 1, 1);
	for (int n = 0; n < 10; n++) {
		assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
		assert_true(quota_give(ONE, QUOTA_ATTEMPT));
	}
	assert_counts(ONE, 0, 0);
	/* one that fails in a later second takes nothing from that */
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
	platform.now++;
	assert_true(quota_give(ONE, QUOTA_ATTEMPT));
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
	assert_true(quota_give(ONE, QUOTA_SESSION));
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_NO_RATE);
	close_site(&site);
}

/* Two CPUs see the clock tick one after the other. */
static void a_clock_that_lags_does_not_begin_the_second_anew(void **state)
{
	struct site site;

	(void)state;
	open_site(&site, 0, 0, 2);
	quota_take(ONE, QUOTA_SESSION);
	platform.now--;
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_NO_RATE);
	platform.now++;
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_NO_RATE);
	platform.now++;
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
	close_site(&site);
}

/* ---- records -------------------------------------------------------------------------------------------------- */

static void a_record_goes_when_nothing_is_left(void **state)
{
	struct site site;

	(void)state;
	open_site(&site, 0, 5, 0);
	assert_false(quota_reap(ONE));
	assert_false(quota_give(ONE, QUOTA_SESSION));
	quota_take(ONE, QUOTA_SESSION);
	quota_take(ONE, QUOTA_PORT);
	platform.now++;
	assert_false(quota_reap(ONE));
	quota_give(ONE, QUOTA_SESSION);
	assert_false(quota_reap(ONE));
	quota_give(ONE, QUOTA_PORT);
	assert_true(quota_reap(ONE));
	assert_null(platform_quota_find(ONE));
	quota_take(ONE, QUOTA_SESSION);
	quota_give(ONE, QUOTA_SESSION);
	/* not before the second is over: its rate would be forgotten */
	assert_false(quota_reap(ONE));
	platform.now++;
	assert_true(quota_reap(ONE));
	close_site(&site);
}

static void one_host_too_many_is_refused(void **state)
{
	struct site site;

	(void)state;
	open_site(&site, 0, 5, 0);
	site.map.max = 3;
	for (__u32 n = 0; n < 3; n++)
		assert_int_equal(quota_take(ONE + n, QUOTA_SESSION), QUOTA_COUNTED);
	assert_int_equal(quota_take(ONE + 3, QUOTA_SESSION), QUOTA_NO_ROOM);
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_COUNTED);
	quota_give(ONE + 1, QUOTA_SESSION);
	platform.now++;
	assert_true(quota_reap(ONE + 1));
	assert_int_equal(quota_take(ONE + 3, QUOTA_SESSION), QUOTA_COUNTED);
	close_site(&site);
}

/* What a CPU finds that comes while another is just adding or removing the record. */
static void a_dead_record_is_not_used(void **state)
{
	struct site site;
	struct quota *quota;

	(void)state;
	open_site(&site, 5, 5, 5);
	quota_take(ONE, QUOTA_SESSION);
	quota = platform_quota_find(ONE);
	quota->dead = 1;
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_UNCOUNTED);
	quota->num_sessions = 5;
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_UNCOUNTED);
	assert_false(quota_give(ONE, QUOTA_SESSION));
	assert_false(quota_reap(ONE));
	quota->dead = 0;
	quota->addr = OTHER;
	assert_int_equal(quota_take(ONE, QUOTA_SESSION), QUOTA_UNCOUNTED);
	assert_false(quota_give(ONE, QUOTA_SESSION));
	assert_int_equal(quota->num_sessions, 5);
	close_site(&site);
}

/* ---- any sequence --------------------------------------------------------------------------------------------- */

#define HOSTS 6
#define STEPS 200000

struct model {
	bool there;
	__u32 sessions, ports, second, new;
};

static __u32 draw(__u32 num)
{
	return hash_scale(platform_random(), num);
}

static enum quota_result model_take(struct model *model, const struct config *cfg, enum quota_item item, __u32 records)
{
	__u32 new;

	if (!model->there && records == HOSTS - 1)
		return QUOTA_NO_ROOM;
	if (!model->there)
		*model = (struct model){ .there = true, .second = platform.now };
	if (item == QUOTA_PORT) {
		if (cfg->max_ports && model->ports >= cfg->max_ports)
			return QUOTA_NO_PORT;
		model->ports++;
		return QUOTA_COUNTED;
	}
	new = model->second == platform.now ? model->new : 0;
	if (cfg->max_sessions && model->sessions >= cfg->max_sessions)
		return QUOTA_NO_SESSION;
	if (cfg->max_new_per_s && new >= cfg->max_new_per_s)
		return QUOTA_NO_RATE;
	model->sessions++;
	model->new = new + 1;
	model->second = platform.now;
	return QUOTA_COUNTED;
}

static bool model_give(struct model *model, enum quota_item item)
{
	if (item == QUOTA_PORT) {
		if (!model->ports)
			return false;
		model->ports--;
		return true;
	}
	if (!model->sessions)
		return false;
	model->sessions--;
	if (item == QUOTA_ATTEMPT && model->second == platform.now && model->new)
		model->new --;
	return true;
}

static void counts_follow_any_sequence(void **state)
{
	struct model model[HOSTS] = {};
	struct site site;
	__u32 seen[QUOTA_NO_ROOM + 1] = {};

	(void)state;
	open_site(&site, 3, 7, 4);
	site.map.max = HOSTS - 1;
	for (int step = 0; step < STEPS; step++) {
		struct config *cfg = &site.world.config;
		__u32 host = draw(HOSTS), records = 0;
		enum quota_item item = draw(3);
		enum quota_result result, want;

		for (__u32 i = 0; i < HOSTS; i++)
			records += model[i].there;
		switch (draw(12)) {
		case 0:
			platform.now += draw(2);
			break;
		case 1:
			cfg->max_sessions = draw(9);
			cfg->max_ports = draw(5);
			cfg->max_new_per_s = draw(6);
			break;
		case 2:
			assert_int_equal(quota_reap(ONE + host), model[host].there && !model[host].sessions &&
									 !model[host].ports &&
									 model[host].second != platform.now);
			model[host].there = platform_quota_find(ONE + host);
			break;
		case 3:
		case 4:
		case 5:
		case 6:
			if (model_give(&model[host], item))
				assert_true(quota_give(ONE + host, item));
			break;
		default:
			item = item == QUOTA_PORT ? QUOTA_PORT : QUOTA_SESSION;
			want = model_take(&model[host], cfg, item, records);
			result = quota_take(ONE + host, item);
			assert_int_equal(result, want);
			seen[result]++;
		}
		assert_counts(ONE + host, model[host].sessions, model[host].ports);
	}
	for (enum quota_result result = QUOTA_COUNTED; result <= QUOTA_NO_ROOM; result++)
		assert_true(seen[result] > 100);
	close_site(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_hold_for_each_host_alone),
		cmocka_unit_test(what_is_given_back_can_be_taken_again),
		cmocka_unit_test(a_lower_limit_refuses_until_it_is_kept),
		cmocka_unit_test(the_rate_is_that_of_one_second),
		cmocka_unit_test(a_failed_attempt_uses_up_nothing),
		cmocka_unit_test(a_clock_that_lags_does_not_begin_the_second_anew),
		cmocka_unit_test(a_record_goes_when_nothing_is_left),
		cmocka_unit_test(one_host_too_many_is_refused),
		cmocka_unit_test(a_dead_record_is_not_used),
		cmocka_unit_test(counts_follow_any_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
