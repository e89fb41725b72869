/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of next hops: sharing, generations, recycling, and none left. Notes of them in entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "hop.h"
#include "store.h"

#define IFINDEX 3

static struct next_hop records[NUM_NEXT_HOP];

static int clear(void **state)
{
	(void)state;
	memset(records, 0, sizeof(records));
	platform = (struct platform){ .next_hop = records };
	return 0;
}

static struct fast_way way_of(__u8 last)
{
	return (struct fast_way){ .port = 1, .mtu = 1500, .dest_mac = { 2, 0, 0, 0, 0, last } };
}

static __u32 intern(__u32 generation, __u8 last)
{
	struct fast_way way = way_of(last);

	return hop_intern(generation, &way, IFINDEX, 7);
}

static bool leads_to(__u32 next_hop, __u32 generation, __u8 last)
{
	struct fast_way way, wanted = way_of(last);

	return hop_read(next_hop, generation, &way) && memcmp(&way, &wanted, sizeof(way)) == 0;
}

static void equal_ways_share_a_record(void **state)
{
	struct fast_way way = way_of(1);
	__u32 first = intern(1, 1);

	(void)state;
	assert_int_not_equal(first, 0);
	assert_int_equal(intern(1, 1), first);
	assert_int_not_equal(intern(1, 2), first);
	assert_int_not_equal(hop_intern(1, &way, IFINDEX + 1, 7), first);
	assert_int_not_equal(hop_intern(1, &way, IFINDEX, 8), first);
	assert_true(leads_to(first, 1, 1));
}

static void another_generation_makes_all_void(void **state)
{
	__u32 first = intern(1, 1), second;

	(void)state;
	assert_false(leads_to(first, 2, 1));
	second = intern(2, 2);
	assert_int_equal(second & NEXT_HOP_MASK, first & NEXT_HOP_MASK); /* the place was free again */
	assert_true(leads_to(second, 2, 2));
	assert_false(hop_read(first, 1, &(struct fast_way){}));
	assert_false(hop_read(first, 2, &(struct fast_way){}));
}

/* Its packet read the generation, and was late with what the kernel had said. */
static void a_late_packet_takes_no_newer_record(void **state)
{
	__u32 newer[NEXT_HOP_WAYS];

	(void)state;
	for (__u8 i = 0; i < NEXT_HOP_WAYS; i++)
		newer[i] = intern(6, i);
	assert_int_equal(intern(5, 100), 0);
	for (__u8 i = 0; i < NEXT_HOP_WAYS; i++)
		assert_true(leads_to(newer[i], 6, i));
}

static void a_record_that_is_being_written_is_left_alone(void **state)
{
	__u32 first = intern(1, 1) & NEXT_HOP_MASK, second;

	(void)state;
	records[first].generation = NEXT_HOP_WRITING;
	assert_false(hop_read(1 << NEXT_HOP_BITS | first, 1, &(struct fast_way){}));
	second = intern(2, 1);
	assert_int_equal(second & NEXT_HOP_MASK, (first + 1) & NEXT_HOP_MASK);
}

static void full_ways_give_no_record(void **state)
{
	(void)state;
	for (__u8 i = 0; i < NEXT_HOP_WAYS; i++)
		assert_int_not_equal(intern(1, i), 0);
	assert_int_equal(intern(1, NEXT_HOP_WAYS), 0);
	assert_int_not_equal(intern(1, 3), 0);
	assert_int_not_equal(intern(2, NEXT_HOP_WAYS), 0);
}

static void records_of_a_neighbour_go_round_at_the_end(void **state)
{
	struct fast_way way = way_of(1);
	__be32 addr = 1;

	(void)state;
	while (hop_first(IFINDEX, addr) != NEXT_HOP_MASK)
		addr++;
	assert_int_equal(hop_intern(1, &way, IFINDEX, addr), 1 << NEXT_HOP_BITS | NEXT_HOP_MASK);
	way.mtu--;
	assert_int_equal(hop_intern(1, &way, IFINDEX, addr), 1 << NEXT_HOP_BITS | 0);
}

static void nothing_is_remembered_in_generation_0(void **state)
{
	(void)state;
	assert_int_equal(intern(0, 1), 0);
	assert_false(hop_read(0, 0, &(struct fast_way){}));
}

static void use_is_noted(void **state)
{
	__u32 hop = intern(1, 1);

	(void)state;
	platform.ticks = 5ull << NEXT_HOP_USED_SHIFT;
	assert_true(leads_to(hop, 1, 1));
	assert_int_equal(records[hop & NEXT_HOP_MASK].used, 5);
	platform.ticks = 9ull << NEXT_HOP_USED_SHIFT;
	assert_false(leads_to(hop, 2, 1));
	assert_int_equal(records[hop & NEXT_HOP_MASK].used, 5);
}

/* ---- notes in entries ------------------------------------------------------------------------------------------ */

#define LIFE (LIFE_SESSION | PHASE_LIVE)

static const struct key key = { .tuple = { .src = 1, .dst = 2, .sport = 3, .dport = 4, .proto = IPPROTO_UDP } };

static struct entry entry_of(const struct key *its, __u32 life)
{
	return (struct entry){
		.addrs = its->tuple.addrs, .ports = its->tuple.ports, .proto = its->tuple.proto, .life = life
	};
}

static void a_session_keeps_its_note(void **state)
{
	struct entry entry = entry_of(&key, LIFE);
	struct found found = { .entry = &entry, .life = LIFE };

	(void)state;
	store_route(&found, &key, 77);
	assert_int_equal(entry.next_hop, 77);
	assert_int_equal(entry.life, LIFE);
}

static void references_are_no_note(void **state)
{
	struct entry entry = entry_of(&key, PHASE_LIVE);
	struct found found = { .entry = &entry, .life = LIFE };

	(void)state;
	store_route(&found, &key, 77);
	assert_int_equal(entry.refs, 0);
	entry.refs = 77;
	store_unroute(&entry, 77);
	assert_int_equal(entry.refs, 77);
}

static void a_note_is_taken_back_whatever_the_life_is(void **state)
{
	struct entry entry = entry_of(&key, LIFE);

	(void)state;
	entry.next_hop = 77;
	entry.life = LIFE | 9 << LIFE_SEEN_SHIFT;
	store_unroute(&entry, 77);
	assert_int_equal(entry.next_hop, 0);
	assert_int_equal(entry.life, LIFE | 9 << LIFE_SEEN_SHIFT);
	entry.next_hop = 78; /* another's: it stays */
	store_unroute(&entry, 77);
	assert_int_equal(entry.next_hop, 78);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(equal_ways_share_a_record, clear),
		cmocka_unit_test_setup(another_generation_makes_all_void, clear),
		cmocka_unit_test_setup(a_late_packet_takes_no_newer_record, clear),
		cmocka_unit_test_setup(a_record_that_is_being_written_is_left_alone, clear),
		cmocka_unit_test_setup(full_ways_give_no_record, clear),
		cmocka_unit_test_setup(records_of_a_neighbour_go_round_at_the_end, clear),
		cmocka_unit_test_setup(nothing_is_remembered_in_generation_0, clear),
		cmocka_unit_test_setup(use_is_noted, clear),
		cmocka_unit_test_setup(a_session_keeps_its_note, clear),
		cmocka_unit_test_setup(references_are_no_note, clear),
		cmocka_unit_test_setup(a_note_is_taken_back_whatever_the_life_is, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
