/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A ledger of what belongs together in the table: the halves of pairs, and references and the sessions that hold them. */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define MIN_SUMS 64
#define MAX_SUMS (1u << 18) /* what a second level cache holds */
#define ENTRIES_PER_SUM 16

static void allocate(struct ledger *ledger)
{
	size_t bytes = ledger->num * sizeof(*ledger->sum);

	ledger->sum = aligned_alloc(bytes, bytes); /* a huge page, if there are as many as there may be */
	if (!ledger->sum)
		abort();
	madvise(ledger->sum, bytes, MADV_HUGEPAGE);
	memset(ledger->sum, 0, bytes);
}

void ledger_open(struct ledger *ret_ledger, __u32 num_entries)
{
	struct ledger *ledger = ret_ledger;

	ledger->num = MIN_SUMS;
	while (ledger->num < MAX_SUMS && ledger->num < num_entries / ENTRIES_PER_SUM)
		ledger->num *= 2;
	if (getrandom(ledger->key, sizeof(ledger->key), 0) != sizeof(ledger->key))
		abort();
	allocate(ledger);
}

void ledger_open_like(struct ledger *ret_ledger, const struct ledger *other)
{
	*ret_ledger = *other;
	allocate(ret_ledger);
}

void ledger_close(struct ledger *ledger)
{
	free(ledger->sum);
	ledger->sum = NULL;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static __u64 fold(__u64 a, __u64 b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (__u64)product ^ (__u64)(product >> 64);
}

static __u64 number(const struct ledger *ledger, __u64 a, __u64 b, __u64 c, __u64 d)
{
	const __u64 *key = ledger->key;

	/* odd, so that no number of references short of 2^64 makes zero of it */
	return fold(fold(a ^ key[0], b ^ key[1]) ^ key[4], fold(c ^ key[2], d ^ key[3]) | 1) | 1;
}

static __u64 join(__u32 high, __u32 low)
{
	return (__u64)high << 32 | low;
}

/* The endpoints of an entry, each as a number. */
struct ends {
	__u64 internal;
	__u64 external;
	__u64 remote;
};

static struct ends entry_ends(const struct entry *entry)
{
	__u64 src = join(entry->sport, entry->src), dst = join(entry->dport, entry->dst);
	__u64 new = join(entry->new_port, entry->new_addr);
	bool inbound = entry->flags & ENTRY_INBOUND;

	return (struct ends){
		.internal = inbound ? new : src,
		.external = inbound ? dst : new,
		.remote = inbound ? src : dst,
	};
}

/* The same from both halves. */
static __u64 pair_number(const struct ledger *ledger, __u32 index, const struct entry *entry, const struct ends *ends)
{
	bool inbound = entry->flags & ENTRY_INBOUND;
	__u64 kind = entry->proto << 8 | (entry->flags & ~ENTRY_INBOUND);

	return number(ledger, ends->internal, ends->external, ends->remote | kind << 48,
		      inbound ? join(entry->twin, index) : join(index, entry->twin));
}

/* Of a mapping, which sessions know by its external endpoint. */
static __u64 mapping_number(const struct ledger *ledger, __u8 proto, const struct ends *ends)
{
	return number(ledger, ends->external, proto, 1, 0);
}

static __u64 permit_number(const struct ledger *ledger, __u8 proto, const struct ends *ends)
{
	return number(ledger, ends->internal, proto & ~PROTO_PERMIT, 2, (__u32)ends->remote);
}

/* ---- sums ------------------------------------------------------------------------------------------------------ */

static __u64 *sum_of(const struct ledger *ledger, const struct fact *fact)
{
	return &ledger->sum[(fact->number >> 32) & (ledger->num - 1)];
}

static void add(struct facts *facts, __u64 number, __u64 times)
{
	facts->at[facts->num++] = (struct fact){ number, times };
}

void ledger_find(const struct ledger *ledger, __u32 index, const struct entry *entry, struct facts *ret_facts)
{
	struct facts *facts = ret_facts;
	bool inbound = entry->flags & ENTRY_INBOUND;
	struct ends ends = entry_ends(entry);
	__u8 proto = entry->proto;

	facts->num = 0;
	add(facts, pair_number(ledger, index, entry, &ends), inbound ? -1 : 1);
	if (!inbound && (entry->flags & ENTRY_MAPPING))
		add(facts,
		    proto & PROTO_PERMIT ? permit_number(ledger, proto, &ends) : mapping_number(ledger, proto, &ends),
		    -(__u64)entry->refs);
	if (!inbound && (entry->flags & ENTRY_COUNTED))
		add(facts, mapping_number(ledger, proto, &ends), 1);
	if (!inbound && (entry->flags & ENTRY_PERMITTED))
		add(facts, permit_number(ledger, proto, &ends), 1);
	for (int i = 0; i < facts->num; i++)
		__builtin_prefetch(sum_of(ledger, &facts->at[i]), 1);
}

void ledger_note(struct ledger *ledger, const struct facts *facts)
{
	for (int i = 0; i < facts->num; i++)
		*sum_of(ledger, &facts->at[i]) += facts->at[i].number * facts->at[i].times;
}

void ledger_add(struct ledger *ledger, const struct ledger *other)
{
	for (__u32 i = 0; i < ledger->num; i++)
		ledger->sum[i] += other->sum[i];
}

bool ledger_is_even(const struct ledger *ledger)
{
	for (__u32 i = 0; i < ledger->num; i++)
		if (ledger->sum[i])
			return false;
	return true;
}

bool ledger_is_open(const struct ledger *ledger, const struct facts *facts, enum fact_kind first)
{
	for (int i = first; i < facts->num; i++)
		if (*sum_of(ledger, &facts->at[i]))
			return true;
	return false;
}
