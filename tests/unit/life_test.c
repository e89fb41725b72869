/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life word of an entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "life.h"

static void parts_do_not_touch_each_other(void **state)
{
	static const __u32 flags[] = { 0, LIFE_SYN, LIFE_ACK, LIFE_FIN, LIFE_RST, LIFE_TCP_MASK };
	static const __u32 seen_s[] = { 0, 1, 12345, LIFE_SEEN_MASK };

	(void)state;
	for (enum phase phase = PHASE_FREE; phase <= PHASE_DYING; phase++)
		for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++)
			for (size_t s = 0; s < sizeof(seen_s) / sizeof(seen_s[0]); s++) {
				__u32 life = life_make(phase, flags[f], seen_s[s]);

				assert_int_equal(life_phase(life), phase);
				assert_int_equal(life & LIFE_TCP_MASK, flags[f]);
				assert_int_equal(life >> LIFE_SEEN_SHIFT, seen_s[s]);
				assert_int_equal(life_is_visible(life), phase == PHASE_LIVE || phase == PHASE_DYING);
			}
	/* what makes a word takes only the flags of another */
	assert_int_equal(life_make(PHASE_DYING, life_make(PHASE_LIVE, LIFE_ACK, 77), 88),
			 life_make(PHASE_DYING, LIFE_ACK, 88));
	/* FREE is the word of an entry that is all zero */
	assert_int_equal(life_make(PHASE_FREE, 0, 0), 0);
}

static void idle_wraps_with_the_clock(void **state)
{
	(void)state;
	assert_int_equal(life_idle(life_make(PHASE_LIVE, 0, 100), 100), 0);
	assert_int_equal(life_idle(life_make(PHASE_LIVE, 0, 100), 107), 7);
	/* the clock has 32 bits, a life 24 of them */
	assert_int_equal(life_idle(life_make(PHASE_LIVE, 0, LIFE_SEEN_MASK), LIFE_SEEN_MASK + 5u), 5);
	assert_int_equal(life_idle(life_make(PHASE_LIVE, 0, 0x12fffff0), 0x13000010), 0x20);
	assert_int_equal(life_idle(life_make(PHASE_LIVE, 0, 0xfffffffe), 3), 5);
}

/* A CPU whose clock has ticked a moment before ours is no reason to think that half a year has gone by. */
static void a_life_from_ahead_is_not_idle(void **state)
{
	(void)state;
	assert_int_equal(life_idle(life_make(PHASE_LIVE, 0, 101), 100), 0);
	assert_int_equal(life_idle(life_make(PHASE_LIVE, 0, 0), LIFE_SEEN_MASK), 0);
}

static void flags_gather(void **state)
{
	__u32 life = life_make(PHASE_LIVE, LIFE_SYN, 10);

	(void)state;
	life = life_after(life, 0, LIFE_ACK, 11);
	assert_int_equal(life, life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK, 11));
	life = life_after(life, 0, LIFE_ACK, 11);
	assert_int_equal(life, life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK, 11));
	life = life_after(life, 0, LIFE_FIN | LIFE_ACK, 12);
	assert_int_equal(life, life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK | LIFE_FIN, 12));
}

static void a_syn_begins_anew_after_the_end_only(void **state)
{
	__u32 open = life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK, 10);

	(void)state;
	assert_int_equal(life_after(open, 0, LIFE_SYN, 20), life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK, 20));
	assert_int_equal(life_after(open | LIFE_FIN, 0, LIFE_SYN, 20), life_make(PHASE_LIVE, LIFE_SYN, 20));
	assert_int_equal(life_after(open | LIFE_RST, 0, LIFE_SYN, 20), life_make(PHASE_LIVE, LIFE_SYN, 20));
	assert_int_equal(life_after(open | LIFE_FIN, 0, LIFE_SYN | LIFE_ACK, 20),
			 life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK, 20));
}

static void a_packet_takes_a_reset_back(void **state)
{
	__u32 reset = life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK | LIFE_RST, 10);

	(void)state;
	assert_int_equal(life_after(reset, 0, LIFE_ACK, 10), life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK, 10));
	assert_int_equal(life_after(reset, ENTRY_INBOUND, LIFE_ACK, 10),
			 life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK, 10));
}

/* RFC 7857 §7.1: it may answer a packet from outside. */
static void an_outbound_reset_counts_once(void **state)
{
	__u32 reset = life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK | LIFE_RST, 10);
	__u32 dying = life_make(PHASE_DYING, LIFE_SYN | LIFE_ACK | LIFE_RST, 10);

	(void)state;
	assert_int_equal(life_after(reset, 0, LIFE_RST, 15), reset);
	assert_int_equal(life_after(reset, 0, LIFE_RST | LIFE_ACK, 15), reset);
	assert_int_equal(life_after(dying, 0, LIFE_RST, 15), dying);
	assert_int_equal(life_after(reset, ENTRY_INBOUND, LIFE_RST, 15),
			 life_make(PHASE_LIVE, LIFE_SYN | LIFE_ACK | LIFE_RST, 15));
}

static void what_comes_from_outside_counts(void **state)
{
	(void)state;
	assert_true(life_counts_inbound(IPPROTO_TCP, LIFE_SYN | LIFE_ACK | LIFE_FIN, false));
	assert_true(life_counts_inbound(IPPROTO_TCP, 0, false));
	assert_false(life_counts_inbound(IPPROTO_TCP, LIFE_ACK | LIFE_RST, false));
	assert_false(life_counts_inbound(IPPROTO_TCP, LIFE_ACK | LIFE_RST, true));
	assert_false(life_counts_inbound(IPPROTO_UDP, 0, false));
	assert_true(life_counts_inbound(IPPROTO_UDP, 0, true));
	assert_false(life_counts_inbound(IPPROTO_ICMP, 0, false));
	assert_false(life_counts_inbound(IPPROTO_ICMP, 0, true));
}

static void a_packet_revives(void **state)
{
	(void)state;
	assert_int_equal(life_after(life_make(PHASE_DYING, 0, 10), 0, 0, 11), life_make(PHASE_LIVE, 0, 11));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_do_not_touch_each_other),
		cmocka_unit_test(idle_wraps_with_the_clock),
		cmocka_unit_test(a_life_from_ahead_is_not_idle),
		cmocka_unit_test(flags_gather),
		cmocka_unit_test(a_syn_begins_anew_after_the_end_only),
		cmocka_unit_test(a_packet_takes_a_reset_back),
		cmocka_unit_test(an_outbound_reset_counts_once),
		cmocka_unit_test(what_comes_from_outside_counts),
		cmocka_unit_test(a_packet_revives),
	};

	return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
