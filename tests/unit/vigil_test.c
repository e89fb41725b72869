/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watching over a neighbour: when it is asked, when it is given up, and who is left alone. */
#include <linux/neighbour.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/vigil.h"

#define BEGIN_MS 5000

static const struct neighbour reachable = {
	.ifindex = 3, .addr = 7, .state = NUD_REACHABLE, .mac = { 2, 0, 0, 0, 0, 1 }
};

static struct neighbour in_state(__u16 state)
{
	struct neighbour neighbour = reachable;

	neighbour.state = state;
	return neighbour;
}

/* Lets time pass; it answers each question at once if `answer` is given. When it was given up, or 0; how often it was asked. */
static __u64 run(struct vigil *vigil, __u32 num, __u64 from_ms, __u64 to_ms, const struct neighbour *answer,
		 __u32 *ret_asked)
{
	__u32 asked = 0;
	__u64 given_up_ms = 0;

	for (__u64 now_ms = from_ms; now_ms < to_ms && !given_up_ms; now_ms++)
		switch (vigil_step(vigil, num, now_ms)) {
		case VIGIL_ASK:
			asked++;
			if (answer)
				vigil_hear(vigil, answer, now_ms);
			break;
		case VIGIL_GIVE_UP:
			given_up_ms = now_ms;
			break;
		case VIGIL_WAIT:
			break;
		}
	*ret_asked = asked;
	return given_up_ms;
}

static void who_answers_is_asked_again_and_again(void **state)
{
	struct vigil vigil = {};
	__u32 asked;

	(void)state;
	vigil_hear(&vigil, &reachable, BEGIN_MS);
	assert_int_equal(run(&vigil, 1, BEGIN_MS, BEGIN_MS + 10000, &reachable, &asked), 0);
	assert_in_range(asked, 24, 26);
}

static void who_is_silent_is_given_up_within_a_second(void **state)
{
	struct vigil vigil = {};
	__u64 given_up_ms;
	__u32 asked;

	(void)state;
	vigil_hear(&vigil, &reachable, BEGIN_MS);
	assert_int_equal(run(&vigil, 1, BEGIN_MS, BEGIN_MS + 1, &reachable, &asked), 0);
	given_up_ms = run(&vigil, 1, BEGIN_MS + 1, BEGIN_MS + 5000, NULL, &asked);
	assert_in_range(given_up_ms, BEGIN_MS + 1, BEGIN_MS + 1000);
	assert_int_equal(asked, VIGIL_TRIES);
}

/* What the kernel tells while it asks is no answer. */
static void only_an_answer_is_one(void **state)
{
	const struct neighbour probe = in_state(NUD_PROBE);
	struct vigil vigil = {};
	__u32 asked;

	(void)state;
	vigil_hear(&vigil, &reachable, BEGIN_MS);
	assert_int_not_equal(run(&vigil, 1, BEGIN_MS, BEGIN_MS + 1000, &probe, &asked), 0);
}

static void a_lost_question_does_no_harm(void **state)
{
	struct vigil vigil = {};
	__u32 asked;

	(void)state;
	vigil_hear(&vigil, &reachable, BEGIN_MS);
	assert_int_equal(run(&vigil, 1, BEGIN_MS, BEGIN_MS + 2 * VIGIL_PATIENCE_MS, NULL, &asked), 0);
	assert_int_equal(asked, 2);
	assert_int_equal(run(&vigil, 1, BEGIN_MS + 2 * VIGIL_PATIENCE_MS, BEGIN_MS + 5000, &reachable, &asked), 0);
}

static void who_is_kept_by_others_is_left_alone(void **state)
{
	struct neighbour kept = reachable;
	struct vigil vigil = {};
	__u32 asked;

	(void)state;
	kept.kept = true;
	vigil_hear(&vigil, &kept, BEGIN_MS);
	assert_int_equal(run(&vigil, 1, BEGIN_MS, BEGIN_MS + 5000, NULL, &asked), 0);
	assert_int_equal(asked, 0);
}

static void who_is_not_there_is_not_asked(void **state)
{
	static const __u16 gone[] = { 0, NUD_FAILED, NUD_INCOMPLETE };
	__u32 asked;

	(void)state;
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		const struct neighbour neighbour = in_state(gone[i]);
		struct vigil vigil = {};

		vigil_hear(&vigil, &neighbour, BEGIN_MS);
		assert_int_equal(run(&vigil, 1, BEGIN_MS, BEGIN_MS + 5000, NULL, &asked), 0);
		assert_int_equal(asked, 0);
	}
}

/* It is there all the time, and answers to broadcasts only. */
static void false_alarms_become_rare(void **state)
{
	struct vigil vigil = {};
	__u32 num = 0, asked;
	__u64 now_ms = BEGIN_MS;

	(void)state;
	vigil_hear(&vigil, &reachable, now_ms);
	while ((now_ms = run(&vigil, 1, now_ms, BEGIN_MS + 300000, NULL, &asked))) {
		num++;
		vigil_hear(&vigil, &reachable, now_ms);
	}
	assert_in_range(num, 8, 16);
	assert_int_equal(vigil.pause_ms, VIGIL_MAX_MS);
	run(&vigil, 1, BEGIN_MS + 300000, BEGIN_MS + 400000, &reachable, &asked);
	assert_int_equal(vigil.pause_ms, VIGIL_MS); /* it answers: all is well again */
}

static void a_new_place_is_no_false_alarm(void **state)
{
	struct neighbour moved = reachable;
	struct vigil vigil = {};
	__u64 now_ms;
	__u32 asked;

	(void)state;
	moved.mac[5] = 2;
	vigil_hear(&vigil, &reachable, BEGIN_MS);
	now_ms = run(&vigil, 1, BEGIN_MS, BEGIN_MS + 1000, NULL, &asked);
	vigil_hear(&vigil, &moved, now_ms);
	assert_int_equal(vigil.pause_ms, VIGIL_MS);
}

static void who_was_away_is_no_false_alarm(void **state)
{
	struct vigil vigil = {};
	__u64 now_ms;
	__u32 asked;

	(void)state;
	vigil_hear(&vigil, &reachable, BEGIN_MS);
	now_ms = run(&vigil, 1, BEGIN_MS, BEGIN_MS + 1000, NULL, &asked);
	vigil_hear(&vigil, &reachable, now_ms + VIGIL_SOON_MS);
	assert_int_equal(vigil.pause_ms, VIGIL_MS);
}

static void many_are_asked_more_seldom(void **state)
{
	struct vigil vigil = {};
	__u32 asked;

	(void)state;
	vigil_hear(&vigil, &reachable, BEGIN_MS);
	run(&vigil, 640, BEGIN_MS, BEGIN_MS + 60000, &reachable, &asked);
	assert_in_range(asked, 7, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_answers_is_asked_again_and_again),
		cmocka_unit_test(who_is_silent_is_given_up_within_a_second),
		cmocka_unit_test(only_an_answer_is_one),
		cmocka_unit_test(a_lost_question_does_no_harm),
		cmocka_unit_test(who_is_kept_by_others_is_left_alone),
		cmocka_unit_test(who_is_not_there_is_not_asked),
		cmocka_unit_test(false_alarms_become_rare),
		cmocka_unit_test(a_new_place_is_no_false_alarm),
		cmocka_unit_test(who_was_away_is_no_false_alarm),
		cmocka_unit_test(many_are_asked_more_seldom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
