/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manual: it has every reason and state that the program can print, in the program's own words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reason_text.h"
#include "words.h"

/* Where the tests are started. */
#define MANUAL "man/bauta.8.scd"

static int read_manual(void **state)
{
	FILE *file = fopen(MANUAL, "r");
	size_t len;
	char *text;

	if (!file)
		return -1;
	text = calloc(1, 1 << 20);
	len = fread(text, 1, (1 << 20) - 1, file);
	fclose(file);
	*state = text;
	return len ? 0 : -1;
}

static int free_manual(void **state)
{
	free(*state);
	return 0;
}

static void test_reasons(void **state)
{
	char entry[512];

	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		snprintf(entry, sizeof(entry), "*%s* (%s)\n\t%s\n", reason_text[reason].name,
			 verdict_name[reason_verdict(reason)], reason_text[reason].meaning);
		if (!strstr(*state, entry))
			fail_msg(MANUAL " lacks, or says otherwise:\n%s", entry);
	}
}

static void test_states(void **state)
{
	char entry[64];

	for (enum session_state session = 0; session < NUM_SESSION_STATE; session++) {
		snprintf(entry, sizeof(entry), "\n*%s*\n\t", state_name[session]);
		if (!strstr(*state, entry))
			fail_msg(MANUAL " lacks the state %s", state_name[session]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_states),
	};

	return cmocka_run_group_tests_name("manual", tests, read_manual, free_manual);
}
