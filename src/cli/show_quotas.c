/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show quotas: what each internal host has, beside what it may have; the one that has most comes first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "quota.h"
#include "sheet.h"
#include "show.h"

/* `counted_*` is what stands against the limits: sessions and mappings that are older than the quotas do not. `new` is the
 * number of sessions that began in the current second.
 */
static const struct column columns[] = {
	{ "internal", 15 },      { "sessions", -8 }, { "counted_sessions", -16 },
	{ "max_sessions", -12 }, { "ports", -5 },    { "counted_ports", -13 },
	{ "max_ports", -9 },     { "new", -5 },      { "max_rate", -8 },
};

struct use {
	__be32 addr;
	__u32 sessions;
	__u32 ports;
};

/* First one for each session and mapping, then one for each internal host. */
struct uses {
	struct use *at;
	size_t num;
	size_t room;
};

static int add(struct uses *uses, const struct use *use)
{
	if (uses->num == uses->room) {
		size_t room = uses->room ? 2 * uses->room : 1024;
		struct use *more = reallocarray(uses->at, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		uses->at = more;
		uses->room = room;
	}
	uses->at[uses->num++] = *use;
	return 0;
}

/* The host's own sessions, and mappings that only keep a port (their internal endpoint is the external one), are nobody's. */
static bool is_internal(const struct row *row)
{
	return !(row->pair.flags & ENTRY_HOST) && row->pair.internal.addr != row->pair.external.addr;
}

static int collect(const struct show *show, struct uses *uses)
{
	__u32 cursor = 0;
	struct row row;
	int error = 0;

	while (!error && table_next(&cursor, &row)) {
		struct use use = {
			.addr = row.pair.internal.addr,
			.sessions = !row_is_mapping(&row),
			.ports = row_is_mapping(&row),
		};

		if (is_internal(&row) && filter_match(&show->filter, &row.pair, SESSION_ACTIVE))
			error = add(uses, &use);
	}
	return error;
}

static int by_addr(const void *a, const void *b)
{
	__u32 one = be32_to_cpu(((const struct use *)a)->addr);
	__u32 other = be32_to_cpu(((const struct use *)b)->addr);

	return one < other ? -1 : one > other;
}

static int by_size(const void *a, const void *b)
{
	const struct use *one = a, *other = b;

	if (one->sessions != other->sessions)
		return one->sessions > other->sessions ? -1 : 1;
	return by_addr(a, b);
}

static void add_up(struct uses *uses)
{
	size_t num = 0;

	if (!uses->num)
		return;
	qsort(uses->at, uses->num, sizeof(*uses->at), by_addr);
	for (size_t i = 1; i < uses->num; i++) {
		struct use *sum = &uses->at[num];

		if (sum->addr == uses->at[i].addr) {
			sum->sessions += uses->at[i].sessions;
			sum->ports += uses->at[i].ports;
		} else {
			uses->at[++num] = uses->at[i];
		}
	}
	uses->num = num + 1;
	qsort(uses->at, uses->num, sizeof(*uses->at), by_size);
}

static void print_limit(struct sheet *sheet, __u32 limit)
{
	if (limit)
		sheet_number(sheet, limit);
	else
		sheet_text(sheet, NULL);
}

static void print(struct sheet *sheet, const struct show *show, const struct use *use)
{
	const struct config *config = &show->table.config;
	char text[ENDPOINT_TEXT];
	struct quota quota;

	/* all zero where nothing is counted */
	table_read_quota(&show->table, use->addr, &quota);
	sheet_text(sheet, address_format(use->addr, text));
	sheet_number(sheet, use->sessions);
	sheet_number(sheet, quota.num_sessions);
	print_limit(sheet, config->max_sessions);
	sheet_number(sheet, use->ports);
	sheet_number(sheet, quota.num_ports);
	print_limit(sheet, config->max_ports);
	sheet_number(sheet, quota_is_current(&quota, platform_now()) ? quota.num_new : 0);
	print_limit(sheet, config->max_new_per_s);
}

int show_quotas(struct show *show, struct fault *fault)
{
	struct uses uses = {};
	struct sheet sheet;
	int error;

	error = collect(show, &uses);
	if (error) {
		fault_set_errno(fault, -error, "cannot add up the table");
		goto out;
	}
	add_up(&uses);
	sheet_begin(&sheet, columns, sizeof(columns) / sizeof(columns[0]), show->json);
	for (size_t i = 0; i < uses.num; i++)
		print(&sheet, show, &uses.at[i]);
	sheet_end(&sheet);
out:
	free(uses.at);
	return error;
}
