/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon makes of the kernel's news: which of them concern next hops, and that nothing is left when generations begin
 * anew.
 */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "daemon/next_hop.h"
#include "hop.h"
#include "table.h"
#include "world.h"

#define IFINDEX 3
#define ADDR 7

static const __u8 mac[MAC_LEN] = { 2, 0, 0, 0, 0, 1 };
static const __u8 other_mac[MAC_LEN] = { 2, 0, 0, 0, 0, 2 };

static char message_buffer[256];

static struct nlmsghdr *message_of(__u16 type)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(memset(message_buffer, 0, sizeof(message_buffer)));

	message->nlmsg_type = type;
	return message;
}

static struct ndmsg *neighbour_of(struct nlmsghdr *message, __u16 state, __u32 addr, const __u8 *its_mac)
{
	struct ndmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	info->ndm_family = AF_INET;
	info->ndm_ifindex = IFINDEX;
	info->ndm_state = state;
	if (addr)
		mnl_attr_put_u32(message, NDA_DST, addr);
	if (its_mac)
		mnl_attr_put(message, NDA_LLADDR, MAC_LEN, its_mac);
	return info;
}

static void what_routes_follow_is_a_change(void **state)
{
	static const __u16 types[] = { RTM_NEWROUTE,   RTM_DELROUTE,   RTM_NEWRULE,   RTM_DELRULE,
				       RTM_NEWLINK,    RTM_DELLINK,    RTM_NEWADDR,   RTM_DELADDR,
				       RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_NEWNETCONF };
	struct neighbour neighbour;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		assert_int_equal(next_hop_hear(message_of(types[i]), &neighbour), NEXT_HOP_CHANGE);
	assert_int_equal(next_hop_hear(message_of(RTM_NEWQDISC), &neighbour), NEXT_HOP_NOTHING);
	assert_int_equal(next_hop_hear(message_of(NLMSG_DONE), &neighbour), NEXT_HOP_NOTHING);
}

static void a_neighbour_is_read(void **state)
{
	struct nlmsghdr *message = message_of(RTM_NEWNEIGH);
	struct neighbour neighbour;

	(void)state;
	neighbour_of(message, NUD_STALE, ADDR, mac);
	assert_int_equal(next_hop_hear(message, &neighbour), NEXT_HOP_NEIGHBOUR);
	assert_int_equal(neighbour.ifindex, IFINDEX);
	assert_int_equal(neighbour.addr, ADDR);
	assert_memory_equal(neighbour.mac, mac, MAC_LEN);
	assert_true(neighbour_is_valid(&neighbour));
	assert_false(neighbour.kept);

	message->nlmsg_type = RTM_DELNEIGH;
	assert_int_equal(next_hop_hear(message, &neighbour), NEXT_HOP_NEIGHBOUR);
	assert_false(neighbour_is_valid(&neighbour));
}

static void others_neighbours_are_told_by_their_flags(void **state)
{
	struct nlmsghdr *message = message_of(RTM_NEWNEIGH);
	struct neighbour neighbour;

	(void)state;
	neighbour_of(message, NUD_PERMANENT, ADDR, mac);
	assert_true(neighbour_parse(message, &neighbour));
	assert_true(neighbour.kept);

	message = message_of(RTM_NEWNEIGH);
	neighbour_of(message, NUD_REACHABLE, ADDR, mac)->ndm_flags = NTF_EXT_LEARNED;
	assert_true(neighbour_parse(message, &neighbour));
	assert_true(neighbour.kept);

	message = message_of(RTM_NEWNEIGH);
	neighbour_of(message, NUD_REACHABLE, ADDR, mac);
	mnl_attr_put_u32(message, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	assert_true(neighbour_parse(message, &neighbour));
	assert_true(neighbour.kept);
}

static void what_is_no_neighbour_is_nothing(void **state)
{
	struct nlmsghdr *message = message_of(RTM_NEWNEIGH);
	struct neighbour neighbour;

	(void)state;
	assert_int_equal(next_hop_hear(message, &neighbour), NEXT_HOP_NOTHING); /* cut off */
	neighbour_of(message, NUD_STALE, ADDR, mac)->ndm_family = AF_BRIDGE;
	assert_int_equal(next_hop_hear(message, &neighbour), NEXT_HOP_NOTHING);
	message = message_of(RTM_NEWNEIGH);
	neighbour_of(message, NUD_STALE, ADDR, mac)->ndm_flags = NTF_PROXY;
	assert_int_equal(next_hop_hear(message, &neighbour), NEXT_HOP_NOTHING);
	message = message_of(RTM_NEWNEIGH);
	neighbour_of(message, NUD_STALE, 0, mac);
	assert_int_equal(next_hop_hear(message, &neighbour), NEXT_HOP_NOTHING);
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

static struct next_hop records[NUM_NEXT_HOP];

static __u32 intern(__u32 generation)
{
	struct fast_way way = { .port = 1, .mtu = 1500, .dest_mac = { 2, 0, 0, 0, 0, 1 } };

	platform.next_hop = records;
	return hop_intern(generation, &way, IFINDEX, ADDR);
}

static struct neighbour said(__u16 its_state, const __u8 *its_mac, __u32 addr)
{
	struct neighbour neighbour = { .ifindex = IFINDEX, .addr = addr, .state = its_state };

	memcpy(neighbour.mac, its_mac, MAC_LEN);
	return neighbour;
}

static void only_what_contradicts_a_record_counts(void **state)
{
	const struct neighbour same = said(NUD_PROBE, mac, ADDR), moved = said(NUD_REACHABLE, other_mac, ADDR),
			       gone = said(NUD_FAILED, mac, ADDR), other = said(NUD_FAILED, mac, ADDR + 1);

	(void)state;
	memset(records, 0, sizeof(records));
	assert_int_not_equal(intern(4), 0);
	assert_false(next_hop_contradicts(records, 4, &same));
	assert_false(next_hop_contradicts(records, 4, &other));
	assert_true(next_hop_contradicts(records, 4, &moved));
	assert_true(next_hop_contradicts(records, 4, &gone));
	assert_false(next_hop_contradicts(records, 5, &moved)); /* nobody of that generation has asked yet */
}

static void nothing_is_left_when_generations_begin_anew(void **state)
{
	const __u32 last = NEXT_HOP_GENERATIONS - 1;
	struct world world;
	struct entry *session, *mapping;
	__u32 next_hop;

	(void)state;
	memset(records, 0, sizeof(records));
	world_open(&world, 8, 2, 1);
	next_hop = intern(last);
	assert_int_not_equal(next_hop, 0);
	session = store_entry(5);
	session->life = LIFE_SESSION | PHASE_LIVE;
	session->next_hop = next_hop;
	mapping = store_entry(table_num_entries() - 1);
	mapping->life = PHASE_LIVE;
	mapping->refs = 12;
	next_hop_forget_all(records);
	assert_int_equal(session->next_hop, 0);
	assert_int_equal(session->life, LIFE_SESSION | PHASE_LIVE);
	assert_int_equal(mapping->refs, 12);
	assert_false(hop_read(next_hop, last, &(struct fast_way){}));
	assert_int_equal(intern(1) & NEXT_HOP_MASK, next_hop & NEXT_HOP_MASK);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_routes_follow_is_a_change),
		cmocka_unit_test(a_neighbour_is_read),
		cmocka_unit_test(others_neighbours_are_told_by_their_flags),
		cmocka_unit_test(what_is_no_neighbour_is_nothing),
		cmocka_unit_test(only_what_contradicts_a_record_counts),
		cmocka_unit_test(nothing_is_left_when_generations_begin_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
