/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold between the quotas and the table: each host's record counts what is there.
 *
 * Records and table cannot be read at one moment while packets come; a session is counted before it is inserted, and
 * counted down after it was removed. So whoever is wrong is looked at again, and only who is wrong by the same numbers
 * every time is told.
 */
#include "quota_check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <bpf/bpf.h>

#include "endpoint.h"
#include "platform.h"
#include "quota_map.h"
#include "usage.h"

#define NUM_LOOKS 24
#define PAUSE_NS 5000000
#define BATCH 512

/* By how much the record of a host says more than there is. */
struct excess {
	__be32 addr;
	__s64 sessions;
	__s64 ports;
};

struct excesses {
	size_t num;
	struct excess *at;
};

/* ---- records --------------------------------------------------------------------------------------------------- */

struct quotas {
	size_t num;
	struct quota at[MAX_QUOTA_HOST];
};

static void take_quota(struct quotas *quotas, const struct quota *quota)
{
	/* one that is dead is not in use, and is not counted with */
	if (!quota->dead && quotas->num < MAX_QUOTA_HOST)
		quotas->at[quotas->num++] = *quota;
}

static void read_pinned(int fd, struct quotas *quotas)
{
	static struct quota value[BATCH];
	__be32 key[BATCH];
	__u32 cursor;
	bool more = true, begun = false;

	while (more) {
		__u32 num = BATCH;
		int error = bpf_map_lookup_batch(fd, begun ? &cursor : NULL, &cursor, key, value, &num, NULL);

		if (error && error != -ENOENT)
			return;
		for (__u32 i = 0; i < num; i++)
			take_quota(quotas, &value[i]);
		more = !error;
		begun = true;
	}
}

static void read_own(struct quotas *quotas)
{
	for (__u32 i = 0; quota_map && i < QUOTA_MAP_SLOTS; i++)
		if (quota_map->slot[i].used)
			take_quota(quotas, &quota_map->slot[i].quota);
}

static int by_addr(const void *a, const void *b)
{
	__u32 one = be32_to_cpu(((const struct quota *)a)->addr);
	__u32 other = be32_to_cpu(((const struct quota *)b)->addr);

	return one < other ? -1 : one > other;
}

static void read_quotas(int fd, struct quotas *quotas)
{
	quotas->num = 0;
	if (fd >= 0)
		read_pinned(fd, quotas);
	else
		read_own(quotas);
	qsort(quotas->at, quotas->num, sizeof(quotas->at[0]), by_addr);
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

static bool was_so(const struct excesses *before, const struct excess *excess)
{
	for (size_t i = 0; i < before->num; i++)
		if (before->at[i].addr == excess->addr)
			return before->at[i].sessions == excess->sessions && before->at[i].ports == excess->ports;
	return false;
}

/* Walks both, sorted by address: every host that is in either, and wrong. `before` NULL: the first look. */
static void compare(const struct quotas *quotas, const struct usage *usage, size_t num, const struct excesses *before,
		    struct excesses *ret_wrong)
{
	size_t n = 0, i = 0;

	ret_wrong->num = 0;
	while (n < quotas->num || i < num) {
		__u32 said = n < quotas->num ? be32_to_cpu(quotas->at[n].addr) : 0xffffffff;
		__u32 seen = i < num ? be32_to_cpu(usage[i].addr) : 0xffffffff;
		struct excess excess = { .addr = cpu_to_be32(said < seen ? said : seen) };

		if (said <= seen && n < quotas->num) {
			excess.sessions += quotas->at[n].num_sessions;
			excess.ports += quotas->at[n].num_ports;
			n++;
		}
		if (seen <= said && i < num) {
			excess.sessions -= usage[i].counted_sessions;
			excess.ports -= usage[i].counted_ports;
			i++;
		}
		if ((excess.sessions || excess.ports) && (!before || was_so(before, &excess)))
			ret_wrong->at[ret_wrong->num++] = excess;
	}
}

/* One look. -ENOMEM, or 0 with *wrong replaced by those that are still wrong. */
static int look(int fd, struct quotas *quotas, struct excesses *wrong, bool first)
{
	struct excesses now = {};
	struct usage *usage = NULL;
	size_t num = 0;
	int error;

	read_quotas(fd, quotas);
	error = usage_read(NULL, true, &usage, &num);
	if (error)
		return error;
	now.at = calloc(quotas->num + num + 1, sizeof(*now.at));
	if (!now.at)
		abort();
	compare(quotas, usage, num, first ? NULL : wrong, &now);
	free(usage);
	free(wrong->at);
	*wrong = now;
	return 0;
}

static void tell(const struct excess *excess, void (*report)(const struct violation *violation, void *ctx), void *ctx)
{
	char addr[ENDPOINT_TEXT], text[160];
	struct violation violation = { .rule = RULE_QUOTA, .index = INDEX_NONE, .text = text };

	snprintf(text, sizeof(text), "the quota of %s counts %+lld sessions and %+lld ports beside what there is",
		 address_format(excess->addr, addr), excess->sessions, excess->ports);
	report(&violation, ctx);
}

size_t quota_check(int quotas_fd, void (*report)(const struct violation *violation, void *ctx), void *ctx)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct quotas *quotas = calloc(1, sizeof(*quotas));
	struct excesses wrong = {};
	size_t num;

	if (!quotas)
		abort();
	for (int i = 0; i < NUM_LOOKS; i++) {
		if (i)
			nanosleep(&pause, NULL);
		if (look(quotas_fd, quotas, &wrong, i == 0))
			abort();
		if (!wrong.num)
			break;
	}
	for (size_t i = 0; report && i < wrong.num; i++)
		tell(&wrong.at[i], report, ctx);
	num = wrong.num;
	free(wrong.at);
	free(quotas);
	return num;
}
