/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which internal host has how much: the sessions and mappings of the table, added up for each address. */
#include "usage.h"

#include <errno.h>
#include <stdlib.h>

#include "table.h"

/* First a record for each session and mapping, then for each host. */
struct usages {
	struct usage *at;
	size_t num;
	size_t room;
};

static int add(struct usages *usages, const struct usage *usage)
{
	if (usages->num == usages->room) {
		size_t room = usages->room ? 2 * usages->room : 1024;
		struct usage *more = reallocarray(usages->at, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		usages->at = more;
		usages->room = room;
	}
	usages->at[usages->num++] = *usage;
	return 0;
}

/* The host's own sessions, and mappings that only keep a port (their internal endpoint is the external one), are nobody's. */
static bool is_internal(const struct row *row)
{
	return !(row->pair.flags & ENTRY_HOST) && row->pair.internal.addr != row->pair.external.addr;
}

static int by_addr(const void *a, const void *b)
{
	__u32 one = be32_to_cpu(((const struct usage *)a)->addr);
	__u32 other = be32_to_cpu(((const struct usage *)b)->addr);

	return one < other ? -1 : one > other;
}

static void add_up(struct usages *usages)
{
	size_t num = 0;

	if (!usages->num)
		return;
	qsort(usages->at, usages->num, sizeof(*usages->at), by_addr);
	for (size_t i = 1; i < usages->num; i++) {
		const struct usage *usage = &usages->at[i];
		struct usage *sum = &usages->at[num];

		if (sum->addr == usage->addr) {
			sum->sessions += usage->sessions;
			sum->ports += usage->ports;
			sum->counted_sessions += usage->counted_sessions;
			sum->counted_ports += usage->counted_ports;
		} else {
			usages->at[++num] = *usage;
		}
	}
	usages->num = num + 1;
}

/* The next row that can count. Of those that are counted against quotas there may be none in millions: only they are read as a
 * pair, which is where the time goes.
 */
static bool next_row(__u32 *cursor, bool counted, struct row *ret_row)
{
	__u32 num = table_num_entries();

	while (counted && *cursor < num && !(READ_ONCE(store_entry(*cursor)->flags) & ENTRY_QUOTA))
		++*cursor;
	return table_next(cursor, ret_row);
}

int usage_read(const struct filter *filter, bool counted, struct usage **ret_usage, size_t *ret_num)
{
	struct usages usages = {};
	__u32 cursor = 0;
	struct row row;

	while (next_row(&cursor, counted, &row)) {
		bool mapping = row_is_mapping(&row), quota = row.pair.flags & ENTRY_QUOTA;
		struct usage usage = {
			.addr = row.pair.internal.addr,
			.sessions = !mapping,
			.ports = mapping,
			.counted_sessions = !mapping && quota,
			.counted_ports = mapping && quota,
		};

		if (!is_internal(&row) || (counted && !quota) ||
		    (filter && !filter_match(filter, &row.pair, SESSION_ACTIVE)))
			continue;
		if (add(&usages, &usage)) {
			free(usages.at);
			return -ENOMEM;
		}
	}
	add_up(&usages);
	*ret_usage = usages.at;
	*ret_num = usages.num;
	return 0;
}
