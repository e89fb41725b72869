/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reasons: each has a name of its own, a sentence and a verdict; and no other word of the interfaces is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "reason_text.h"
#include "words.h"

static void check_word(const char *word)
{
	assert_non_null(word);
	assert_true(islower((unsigned char)word[0]));
	for (const char *at = word; *at; at++)
		assert_true(islower((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '-' || *at == '_');
	assert_true(isalnum((unsigned char)word[strlen(word) - 1]));
}

static void test_names(void **state)
{
	(void)state;
	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		check_word(reason_text[reason].name);
		for (enum reason other = 0; other < reason; other++)
			assert_string_not_equal(reason_text[reason].name, reason_text[other].name);
	}
}

/* A clause that can follow "NAME: ": no full stop, no line break, long enough to say something. */
static void test_sentences(void **state)
{
	(void)state;
	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		const char *meaning = reason_text[reason].meaning;

		assert_non_null(meaning);
		assert_true(strlen(meaning) > 15);
		assert_null(strpbrk(meaning, "\n\t\"\\"));
		assert_true(meaning[strlen(meaning) - 1] != '.');
	}
}

/* What is to be done ends the sentence, behind a semicolon. */
static void test_remedies(void **state)
{
	(void)state;
	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		const char *meaning = reason_text[reason].meaning, *remedy = reason_text[reason].remedy;
		size_t len = strlen(remedy);

		if (!len)
			continue;
		assert_true(strlen(meaning) > len + 2);
		assert_string_equal(meaning + strlen(meaning) - len, remedy);
		assert_memory_equal(meaning + strlen(meaning) - len - 2, "; ", 2);
	}
}

/* Packets and calls that come to nothing are kept: dropped ones in one ring, the others in one for each reason. */
static void test_failures(void **state)
{
	bool used[NUM_FAILURE_RING] = { false };

	(void)state;
	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		enum verdict verdict = reason_verdict(reason);

		assert_int_equal(!!reason_is_failure(reason), verdict >= VERDICT_DROPPED);
		if (!reason_is_failure(reason))
			continue;
		assert_in_range(reason_failure_ring(reason), 0, NUM_FAILURE_RING - 1);
		assert_int_equal(reason_failure_ring(reason) == 0, verdict == VERDICT_DROPPED);
		assert_true(verdict == VERDICT_DROPPED || !used[reason_failure_ring(reason)]);
		used[reason_failure_ring(reason)] = true;
	}
	for (int ring = 0; ring < NUM_FAILURE_RING; ring++)
		assert_true(used[ring]);
}

/* RFC 6888 REQ-11b says 1, RFC 5508 REQ-8 says 13, RFC 1122 §3.2.2.1 says 2 for a protocol; RFC 1812 §5.2.7 the others. */
static void test_icmp_codes(void **state)
{
	(void)state;
	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		bool told = reason_verdict(reason) == VERDICT_REFUSED;
		int resource = told ? 1 : -1, policy = told ? 13 : -1;

		if (reason == REFUSED_PROTOCOL)
			resource = policy = 2;
		if (reason == REFUSED_HOPS)
			resource = policy = 0;
		if (reason == REFUSED_TOO_BIG)
			resource = policy = 4;
		if (reason == REFUSED_NO_ROUTE)
			policy = 1;
		if (reason == REFUSED_MID_STREAM)
			resource = policy = -1;
		assert_int_equal(reason_icmp_code(reason, ICMP_HOST_UNREACHABLE), resource);
		assert_int_equal(reason_icmp_code(reason, ICMP_ADMIN_PROHIBITED), policy);
		assert_int_equal(reason_icmp_code(reason, ICMP_NONE), -1);
		assert_int_equal(reason_icmp_type(reason), reason == REFUSED_HOPS ? 11 : 3);
	}
}

/* The verdict that the enum's name says; the first and the last of each. */
static void test_verdicts(void **state)
{
	(void)state;
	assert_int_equal(reason_verdict(TRANSLATED_OUTBOUND), VERDICT_TRANSLATED);
	assert_int_equal(reason_verdict(TRANSLATED_HAIRPIN), VERDICT_TRANSLATED);
	assert_int_equal(reason_verdict(PASSED_ARP), VERDICT_PASSED);
	assert_int_equal(reason_verdict(PASSED_INSIDE), VERDICT_PASSED);
	assert_int_equal(reason_verdict(HELD_FRAGMENT), VERDICT_HELD);
	assert_int_equal(reason_verdict(DROPPED_IP_HEADER), VERDICT_DROPPED);
	assert_int_equal(reason_verdict(DROPPED_REWRITE), VERDICT_DROPPED);
	assert_int_equal(reason_verdict(REFUSED_PROTOCOL), VERDICT_REFUSED);
	assert_int_equal(reason_verdict(REFUSED_CLASH), VERDICT_REFUSED);
	assert_int_equal(reason_verdict(REFUSED_QUOTA_RATE), VERDICT_REFUSED);
	assert_int_equal(reason_verdict(DENIED_BIND), VERDICT_DENIED);
	assert_int_equal(reason_verdict(DENIED_SEND), VERDICT_DENIED);
}

static void test_other_words(void **state)
{
	(void)state;
	for (enum verdict verdict = 0; verdict < NUM_VERDICT; verdict++)
		check_word(verdict_name[verdict]);
	for (enum session_state session = 0; session < NUM_SESSION_STATE; session++)
		check_word(state_name[session]);
	for (enum timeout timeout = 0; timeout < NUM_TIMEOUT; timeout++)
		check_word(timeout_name[timeout]);
	for (int proto = 0; proto < 256; proto++)
		if (proto_name(proto))
			assert_int_equal(proto_parse(proto_name(proto)), proto);
	assert_int_equal(proto_parse("tcp"), IPPROTO_TCP);
	assert_int_equal(proto_parse("udp"), IPPROTO_UDP);
	assert_int_equal(proto_parse("icmp"), IPPROTO_ICMP);
	assert_int_equal(proto_parse("sctp"), 0);
	assert_int_equal(proto_parse(""), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),       cmocka_unit_test(test_sentences), cmocka_unit_test(test_remedies),
		cmocka_unit_test(test_verdicts),    cmocka_unit_test(test_failures),  cmocka_unit_test(test_icmp_codes),
		cmocka_unit_test(test_other_words),
	};

	return cmocka_run_group_tests_name("reason", tests, NULL, NULL);
}
