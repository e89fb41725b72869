/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manual and the design: they have every reason that the program can print, in its own words, and who is told of it, as
 * the program goes by it; the manual every state too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reason_text.h"
#include "settings.h"
#include "words.h"

/* Where the tests are started. */
#define MANUAL "man/bauta.8.scd"
#define MANUAL_FILE "man/bauta.conf.5.scd"
#define DESIGN "docs/design.md"

static char *read_text(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t len;
	char *text;

	assert_non_null(file);
	text = calloc(1, 1 << 20);
	len = fread(text, 1, (1 << 20) - 1, file);
	fclose(file);
	assert_in_range(len, 1, (1 << 20) - 2);
	return text;
}

/* Who hears of a reason, in the order of the explanation that both documents begin with. */
static void say_told(enum reason reason, char *text, size_t size)
{
	int code = reason_icmp_code(reason, ICMP_HOST_UNREACHABLE);
	char sender[32] = "";

	if (reason == REFUSED_CLASH) /* always the host's own packet */
		snprintf(sender, sizeof(sender), ", sender (RST or 3/%d)", ICMP_CODE_ADMIN_PROHIBITED);
	else if (reason == REFUSED_MID_STREAM)
		snprintf(sender, sizeof(sender), ", sender (RST)");
	else if (code >= 0)
		snprintf(sender, sizeof(sender), ", sender (%u/%d)", reason_icmp_type(reason), code);
	else if (reason_verdict(reason) == VERDICT_DENIED)
		snprintf(sender, sizeof(sender), ", caller");
	snprintf(text, size, "counter%s%s%s", sender, reason_is_event(reason) ? ", event" : "",
		 reason_is_failure(reason) ? ", failures" : "");
}

static void test_manual(void **state)
{
	char *text = read_text(MANUAL), *at = text;
	char entry[512], told[64];

	(void)state;
	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		say_told(reason, told, sizeof(told));
		snprintf(entry, sizeof(entry), "\n*%s* (%s; %s)\n\t%s\n", reason_text[reason].name,
			 verdict_name[reason_verdict(reason)], told, reason_text[reason].meaning);
		at = strstr(at, entry);
		if (!at) {
			fail_msg(MANUAL " lacks, says otherwise, or has elsewhere:\n%s", entry);
			return;
		}
	}
	free(text);
}

/* A row for each reason, in the order of the enum, and no others. */
static void test_design(void **state)
{
	char *text = read_text(DESIGN), *at = strstr(text, "\n| reason |");
	char row[512], told[64];

	(void)state;
	assert_non_null(at);
	at = strstr(at, "\n|---");
	assert_non_null(at);
	at = strchr(at + 1, '\n');
	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		const struct reason_text *words = &reason_text[reason];
		size_t what_len = strlen(words->meaning) - strlen(words->remedy) - (*words->remedy ? 2 : 0);

		say_told(reason, told, sizeof(told));
		snprintf(row, sizeof(row), "\n| `%s` | %s | %.*s | %s | %s |", words->name,
			 verdict_name[reason_verdict(reason)], (int)what_len, words->meaning, told, words->remedy);
		if (strncmp(at, row, strlen(row)) != 0)
			fail_msg(DESIGN " should have here:%s\nand has:%.300s", row, at);
		at += strlen(row);
	}
	assert_int_not_equal(at[1], '|');
	free(text);
}

static void test_states(void **state)
{
	char *text = read_text(MANUAL);
	char entry[64];

	(void)state;
	for (enum session_state session = 0; session < NUM_SESSION_STATE; session++) {
		snprintf(entry, sizeof(entry), "\n*%s*\n\t", state_name[session]);
		if (!strstr(text, entry))
			fail_msg(MANUAL " lacks the state %s", state_name[session]);
	}
	free(text);
}

/* Each as an option in one manual, and as a key of the file in the other. */
static void test_settings(void **state)
{
	char *manual = read_text(MANUAL), *file = read_text(MANUAL_FILE), *at = file;
	char entry[64];

	(void)state;
	for (enum setting_id id = 0; id < NUM_SETTING; id++) {
		snprintf(entry, sizeof(entry), "*--%s*", setting_table[id].name);
		if (!strstr(manual, entry))
			fail_msg(MANUAL " lacks %s", entry);
		snprintf(entry, sizeof(entry), "\n*%s* = ", setting_table[id].name);
		at = strstr(at, entry);
		if (!at) {
			fail_msg(MANUAL_FILE " lacks, or has elsewhere:%s", entry);
			return;
		}
	}
	free(manual);
	free(file);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_design),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests_name("manual", tests, NULL, NULL);
}
