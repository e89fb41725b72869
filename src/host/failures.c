/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The failures that the hooks have kept (contract.h), read while they write. */
#include "failures.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "reason.h"

static bool is_failure(enum reason reason)
{
	return reason >= DROPPED_IP_HEADER && reason < NUM_REASON;
}

/* A slot that was written from its begin to its end before we came, and not touched until we had copied it. Each word is
 * loaded with acquire, so the second look at the time comes last.
 */
static bool copy_slot(const struct event *slot, struct event *ret_event)
{
	union {
		struct event event;
		__u64 word[sizeof(struct event) / sizeof(__u64)];
	} copy;

	for (size_t i = 0; i < sizeof(copy.word) / sizeof(copy.word[0]); i++)
		copy.word[i] = READ_ONCE(((const __u64 *)slot)[i]);
	if (!copy.event.time_ns || READ_ONCE(slot->time_ns) != copy.event.time_ns || !is_failure(copy.event.reason))
		return false;
	*ret_event = copy.event;
	return true;
}

static int compare(const void *a, const void *b)
{
	__u64 one = ((const struct event *)a)->time_ns;
	__u64 other = ((const struct event *)b)->time_ns;

	return one < other ? 1 : one > other ? -1 : 0;
}

int failures_read(const struct event *slot, struct failures *ret_failures)
{
	struct event *event = malloc(NUM_FAILURE * sizeof(*event)), *smaller;
	size_t num = 0;

	if (!event)
		return -ENOMEM;
	for (size_t i = 0; i < NUM_FAILURE; i++)
		if (copy_slot(&slot[i], &event[num]))
			num++;
	qsort(event, num, sizeof(*event), compare);
	smaller = realloc(event, (num ? num : 1) * sizeof(*event));
	*ret_failures = (struct failures){ .num = num, .event = smaller ? smaller : event };
	return 0;
}

void failures_free(struct failures *failures)
{
	free(failures->event);
	memset(failures, 0, sizeof(*failures));
}

struct pair failure_pair(const struct event *failure)
{
	struct endpoint src = { .addr = failure->src, .port = failure->sport };
	struct endpoint dst = { .addr = failure->dst, .port = failure->dport };
	struct pair pair = { .proto = failure->proto };

	if (failure->inbound) {
		pair.external = dst;
		pair.remote = src;
	} else {
		pair.internal = src;
		pair.external = (struct endpoint){ .addr = failure->external, .port = failure->external_port };
		pair.remote = dst;
	}
	return pair;
}
