/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show quotas: what each internal host has, beside what it may have; the one that has most comes first. */
#include <stdlib.h>

#include "endpoint.h"
#include "quota.h"
#include "sheet.h"
#include "show.h"
#include "usage.h"

/* `counted_*` is what stands against the limits: sessions and mappings that are older than the quotas do not. `new` is the
 * number of sessions that began in the current second.
 */
static const struct column columns[] = {
	{ "internal", 15 },      { "sessions", -8 }, { "counted_sessions", -16 },
	{ "max_sessions", -12 }, { "ports", -5 },    { "counted_ports", -13 },
	{ "max_ports", -9 },     { "new", -5 },      { "max_rate", -8 },
};

static int by_size(const void *a, const void *b)
{
	const struct usage *one = a, *other = b;
	__u32 one_addr = be32_to_cpu(one->addr), other_addr = be32_to_cpu(other->addr);

	if (one->sessions != other->sessions)
		return one->sessions > other->sessions ? -1 : 1;
	return one_addr < other_addr ? -1 : one_addr > other_addr;
}

static void print_limit(struct sheet *sheet, __u32 limit)
{
	if (limit)
		sheet_number(sheet, limit);
	else
		sheet_text(sheet, NULL);
}

static void print(struct sheet *sheet, const struct show *show, const struct usage *usage)
{
	const struct config *config = &show->table.config;
	char text[ENDPOINT_TEXT];
	struct quota quota;

	/* all zero where nothing is counted */
	table_read_quota(&show->table, usage->addr, &quota);
	sheet_text(sheet, address_format(usage->addr, text));
	sheet_number(sheet, usage->sessions);
	sheet_number(sheet, quota.num_sessions);
	print_limit(sheet, config->max_sessions);
	sheet_number(sheet, usage->ports);
	sheet_number(sheet, quota.num_ports);
	print_limit(sheet, config->max_ports);
	sheet_number(sheet, quota_is_current(&quota, platform_now()) ? quota.num_new : 0);
	print_limit(sheet, config->max_new_per_s);
}

int show_quotas(struct show *show, struct fault *fault)
{
	struct usage *usage = NULL;
	struct sheet sheet;
	size_t num = 0;
	int error = usage_read(&show->filter, false, &usage, &num);

	if (error)
		return fault_set_errno(fault, -error, "cannot add up what internal hosts have");
	if (num)
		qsort(usage, num, sizeof(*usage), by_size);
	sheet_begin(&sheet, columns, sizeof(columns) / sizeof(columns[0]), show->json);
	for (size_t i = 0; i < num; i++)
		print(&sheet, show, &usage[i]);
	sheet_end(&sheet);
	free(usage);
	return 0;
}
