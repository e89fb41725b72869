/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places of external addresses in the map of pools. */
#include "pools.h"

#include <linux/membarrier.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "platform.h"
#include "table.h"

/* Where the kernel cannot tell when hooks have ended (nohz_full): a packet takes microseconds, on any machine. */
#define SETTLE_NS 50000000

void pools_settle(void)
{
	const struct timespec pause = { .tv_nsec = SETTLE_NS };

	/* programs run inside of RCU's read side, and this waits for its grace period */
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		nanosleep(&pause, NULL);
}

/* ---- places ----------------------------------------------------------------------------------------------------- */

static bool is_used(const struct pool *place)
{
	for (int space = 0; space < NUM_SPACE; space++)
		for (int i = 0; i < PORT_WORDS; i++)
			if (READ_ONCE(place[space].used[i]))
				return true;
	return false;
}

static bool is_idle(const struct header *header, const struct pool *pool, const struct config *in_force, __u32 i)
{
	return header->pool_addr[i] && !addr_is_external(in_force, header->pool_addr[i]) &&
	       !is_used(&pool[i * NUM_SPACE]);
}

static bool is_any_idle(const struct header *header, const struct pool *pool, const struct config *in_force)
{
	for (__u32 i = 0; i < header->num_pool_addrs; i++)
		if (is_idle(header, pool, in_force, i))
			return true;
	return false;
}

void pools_release(struct header *header, struct pool *pool, const struct config *in_force)
{
	if (!is_any_idle(header, pool, in_force))
		return;
	/* A hook that goes by an older configuration may be about to use a port; none that begins from here on can. */
	pools_settle();
	for (__u32 i = 0; i < header->num_pool_addrs; i++)
		if (is_idle(header, pool, in_force, i))
			WRITE_ONCE(header->pool_addr[i], 0);
}

static __u32 find_place(const struct header *header, __be32 addr)
{
	for (__u32 i = 0; i < header->num_pool_addrs; i++)
		if (header->pool_addr[i] == addr)
			return i;
	return INDEX_NONE;
}

/* What a call of pools_assign() is about. */
struct assignment {
	struct header *header;
	struct pool *pool;
	const __be32 *addr;
	__u32 num;
	bool is_new[MAX_EXTERNAL]; /* places that have to be filled */
};

static __u32 find_or_take(struct assignment *assignment, __be32 addr)
{
	struct header *header = assignment->header;
	__u32 i = find_place(header, addr);

	if (i != INDEX_NONE)
		return i;
	i = find_place(header, 0);
	if (i == INDEX_NONE)
		return i;
	memset(&assignment->pool[i * NUM_SPACE], 0, NUM_SPACE * sizeof(struct pool));
	/* from here on whoever ends a mapping of this address notes it here */
	WRITE_ONCE(header->pool_addr[i], addr);
	assignment->is_new[i] = true;
	return i;
}

static bool is_any_new(const struct assignment *assignment)
{
	for (__u32 i = 0; i < assignment->num; i++)
		if (find_place(assignment->header, assignment->addr[i]) == INDEX_NONE)
			return true;
	return false;
}

/* ---- filling ---------------------------------------------------------------------------------------------------- */

static bool space_of(__u8 proto, enum port_space *ret_space)
{
	switch (proto) {
	case IPPROTO_TCP:
		*ret_space = SPACE_TCP;
		return true;
	case IPPROTO_UDP:
		*ret_space = SPACE_UDP;
		return true;
	case IPPROTO_ICMP:
		*ret_space = SPACE_ICMP;
		return true;
	default:
		return false;
	}
}

/* Notes a mapping, if its place is new. Its address is in no configuration yet, so none is made meanwhile; but this one may
 * go, and then its bit was cleared before it was set here. So it is looked for once more.
 */
static void note(const struct assignment *assignment, const struct row *row)
{
	__u16 port = be16_to_cpu(row->pair.external.port);
	__u64 bit = 1ull << (port % 64), *word;
	enum port_space space;
	struct row again;
	__u32 i = find_place(assignment->header, row->pair.external.addr);

	if (i == INDEX_NONE || !assignment->is_new[i] || !space_of(row->pair.proto, &space))
		return;
	word = &assignment->pool[i * NUM_SPACE + space].used[port / 64];
	__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
	if (!table_find_inbound(row->pair.proto, row->pair.external, (struct endpoint){}, &again))
		__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
}

__u32 pools_assign(struct header *header, struct pool *pool, const struct config *in_force, const __be32 *addr,
		   __u32 num, struct external ret_external[MAX_EXTERNAL])
{
	struct assignment assignment = {
		.header = header,
		.pool = pool,
		.addr = addr,
		.num = num < MAX_EXTERNAL ? num : MAX_EXTERNAL,
	};
	bool any_new = is_any_new(&assignment);
	__u32 placed = 0, cursor = 0;
	struct row row;

	if (any_new)
		pools_release(header, pool, in_force);
	for (__u32 n = 0; n < assignment.num; n++) {
		__u32 i = find_or_take(&assignment, addr[n]);

		if (i != INDEX_NONE)
			ret_external[placed++] = (struct external){ .addr = addr[n], .pool = i };
	}
	if (!any_new)
		return placed;
	/* a hook that began before does not know of the new places */
	pools_settle();
	while (table_next(&cursor, &row))
		if (row_is_mapping(&row))
			note(&assignment, &row);
	return placed;
}

/* ---- ready for a configuration ---------------------------------------------------------------------------------- */

void pools_open(struct pool *pool, const struct config *config, __u32 slot)
{
	__u64 in_ranges[SUMMARY_WORDS] = {};

	for (__u32 i = 0; i < PORT_WORDS; i++)
		if (config->ranges[i])
			in_ranges[i / 64] |= 1ull << (i % 64);
	for (__u32 n = 0; n < config->num_external; n++) {
		struct pool *place = &pool[config->external[n].pool * NUM_SPACE];

		for (int i = 0; i < SUMMARY_WORDS; i++) {
			WRITE_ONCE(place[SPACE_TCP].open[slot][i], in_ranges[i]);
			WRITE_ONCE(place[SPACE_UDP].open[slot][i], in_ranges[i]);
			WRITE_ONCE(place[SPACE_ICMP].open[slot][i], ~0ull);
		}
	}
}
