/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold in the table at any time (docs/design.md), checked in one pass.
 *
 * A table of millions is read once, from its beginning to its end, by several threads: what would take a look somewhere else for
 * each entry goes into a ledger, which shows in which few sums something is not even. Only if there are such, entries that are
 * in them are looked at one by one, with all that belongs to them.
 *
 * The table may be live, so a look at an entry may fall between two steps of a writer. Whatever looks wrong is put aside
 * and looked at again several times, milliseconds apart; a writer is through in microseconds. Numbers that are compared
 * with each other (references, the header's counts) cannot be read at one moment on a live table: if they do not
 * agree, all is counted again, and only what is wrong by the same number every time is a violation.
 */
#include "invariant.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "entry_check.h"
#include "ledger.h"
#include "platform.h"
#include "pool_check.h"

#define NUM_COUNTS 24     /* two numbers that change all the time can differ by the same one for a while */
#define MAX_SUSPECTS 4096 /* put aside at a time; a power of two times 256 */
#define LOOKS_AHEAD 16    /* begun before the first of them is ended */
#define MAX_PARTS 8
#define MIN_SHARED (1u << 20) /* entries, from which on threads are worth their making */

struct suspect {
	__u32 index;
	enum rule rule; /* as last seen */
	__s64 excess;   /* references more than sessions */
};

struct suspects {
	size_t num;
	size_t room;
	struct suspect *at;
};

/* What one thread looks at, and finds. */
struct part {
	struct check *check;
	__u32 from;
	__u32 to;
	struct census census;
	__u32 stashed;
	struct ledger ledger;
	struct suspects suspects;
};

struct check {
	struct violations violations;
	struct platform platform; /* of whoever asked */
	enum entry_depth depth;   /* ENTRY_ALONE: the first pass, which fills the ledgers */
	bool judge;               /* else a pass only counts */
	int num_parts;
	struct part part[MAX_PARTS];
	struct census census;
	__u32 stashed;
	__u64 *mapped; /* of pool_check.h */
	/* for each entry, of those that are in uneven sums: */
	__u32 *sessions; /* of the outbound entry of a mapping or permit: how many count on it */
	__u64 *bases;    /* a bitmap: which entries are such */
	struct suspects refs;
};

static void suspects_add(struct suspects *suspects, const struct suspect *suspect)
{
	if (suspects->num == suspects->room) {
		suspects->room = suspects->room ? 2 * suspects->room : 256;
		suspects->at = reallocarray(suspects->at, suspects->room, sizeof(*suspects->at));
		if (!suspects->at)
			abort();
	}
	suspects->at[suspects->num++] = *suspect;
}

/* ---- looking again --------------------------------------------------------------------------------------------- */

static int by_index(const void *a, const void *b)
{
	__u32 one = ((const struct suspect *)a)->index, other = ((const struct suspect *)b)->index;

	return one < other ? -1 : one > other;
}

/* Looks at what was put aside until it is right or has been wrong at every look, and tells the latter. */
static void settle(struct check *check, struct suspects *suspects)
{
	for (int i = 0; i < VIOLATION_LOOKS && suspects->num; i++) {
		size_t num = 0;

		violation_pause();
		for (size_t n = 0; n < suspects->num; n++) {
			struct suspect suspect = suspects->at[n];

			suspect.rule = entry_check(suspect.index);
			if (suspect.rule != NUM_RULE)
				suspects->at[num++] = suspect;
		}
		suspects->num = num;
	}
	/* one may have been put aside by both passes */
	if (suspects->num)
		qsort(suspects->at, suspects->num, sizeof(*suspects->at), by_index);
	for (size_t n = 0; n < suspects->num; n++)
		if (!n || suspects->at[n].index != suspects->at[n - 1].index)
			violation_tell_entry(&check->violations, suspects->at[n].rule, suspects->at[n].index);
	suspects->num = 0;
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* Zeroed memory, in huge pages where that is possible: it is visited at random. */
static void *allocate(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	madvise(memory, bytes, MADV_HUGEPAGE);
	return memory;
}

static void release(void *memory, size_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

/* ---- counting -------------------------------------------------------------------------------------------------- */

static __u32 num_entries(void)
{
	const volatile struct store_shape *shape = platform_shape();

	return (shape->num_buckets + shape->num_stash) * BUCKET_ENTRIES;
}

static void count_entry(struct part *part, __u32 index, const struct entry *entry)
{
	part->census.entries++;
	if (index_is_stash(index))
		part->stashed++;
	if (entry->flags & ENTRY_INBOUND) {
		if ((entry->flags & ENTRY_MAPPING) && !(entry->proto & PROTO_PERMIT))
			pool_check_note(part->check->mapped, entry);
	} else if (entry->proto & PROTO_PERMIT) {
		part->census.permits++;
	} else if (entry->flags & ENTRY_MAPPING) {
		part->census.mappings++;
	} else {
		part->census.sessions++;
	}
}

static void count_references(struct check *check, const struct entry_look *look)
{
	if (look->copy.flags & ENTRY_INBOUND)
		return;
	if (look->copy.flags & ENTRY_MAPPING) {
		/* Only if all sessions that count on it are looked at too. No other part has bits in this word. */
		if (ledger_is_open(&check->part[0].ledger, &look->facts, FACT_REFERENCES))
			check->bases[look->index / 64] |= 1ull << look->index % 64;
		return;
	}
	for (enum base base = 0; base < NUM_BASE; base++)
		if (look->base[base] != INDEX_NONE)
			__atomic_fetch_add(&check->sessions[look->base[base]], 1, __ATOMIC_RELAXED);
}

static void end_look(struct part *part, struct entry_look *look)
{
	struct check *check = part->check;

	entry_look_end(look);
	if (life_is_visible(look->copy.life)) {
		if (check->depth == ENTRY_ALONE)
			ledger_note(&part->ledger, &look->facts);
		else
			count_references(check, look);
	}
	if (!check->judge || look->rule == NUM_RULE)
		return;
	/* what an entry shows alone was judged in the first pass */
	if (check->depth == ENTRY_WHOLE && look->rule != RULE_TWIN && look->rule != RULE_MAPPING)
		return;
	suspects_add(&part->suspects, &(struct suspect){ .index = look->index, .rule = look->rule });
	if (part->suspects.num == MAX_SUSPECTS)
		settle(check, &part->suspects);
}

/* Begins a look if this pass wants one. */
static bool begin_look(struct part *part, __u32 index, struct entry_look *ret_look)
{
	struct check *check = part->check;
	struct entry copy;

	if (check->depth == ENTRY_ALONE) {
		entry_look_begin(index, ENTRY_ALONE, ret_look);
		if (!life_is_visible(ret_look->copy.life))
			return ret_look->rule != NUM_RULE;
		count_entry(part, index, &ret_look->copy);
		ledger_find(&part->ledger, index, &ret_look->copy, &ret_look->facts);
		return true;
	}
	entry_copy(index, &copy);
	if (!life_is_visible(copy.life))
		return false;
	count_entry(part, index, &copy);
	ledger_find(&check->part[0].ledger, index, &copy, &ret_look->facts);
	if (!ledger_is_open(&check->part[0].ledger, &ret_look->facts, FACT_PAIR))
		return false;
	entry_look_begin(index, ENTRY_WHOLE, ret_look);
	return true;
}

/* One pass over a part of the table. Several looks are under way at a time. */
static void *walk_part(void *ctx)
{
	static __thread struct entry_look look[LOOKS_AHEAD];
	struct part *part = ctx;
	__u32 begun = 0, ended = 0;

	platform = part->check->platform;
	part->census = (struct census){};
	part->stashed = 0;
	for (__u32 index = part->from; index < part->to; index++) {
		begun += begin_look(part, index, &look[begun % LOOKS_AHEAD]);
		if (begun - ended == LOOKS_AHEAD)
			end_look(part, &look[ended++ % LOOKS_AHEAD]);
	}
	while (ended != begun)
		end_look(part, &look[ended++ % LOOKS_AHEAD]);
	return NULL;
}

/* Each part but the first in a thread of its own, if that can be had. */
static void run_parts(struct check *check, void *(*run)(void *part))
{
	pthread_t thread[MAX_PARTS];
	bool runs[MAX_PARTS] = {};

	for (int i = 1; i < check->num_parts; i++)
		runs[i] = !pthread_create(&thread[i], NULL, run, &check->part[i]);
	for (int i = 0; i < check->num_parts; i++)
		if (!runs[i])
			run(&check->part[i]);
	for (int i = 1; i < check->num_parts; i++)
		if (runs[i])
			pthread_join(thread[i], NULL);
}

static size_t bases_bytes(void)
{
	return ((size_t)num_entries() + 63) / 64 * sizeof(__u64);
}

static size_t sessions_bytes(void)
{
	return (size_t)num_entries() * sizeof(__u32);
}

static void count_anew(struct check *check)
{
	release(check->sessions, sessions_bytes());
	release(check->bases, bases_bytes());
	check->sessions = allocate(sessions_bytes());
	check->bases = allocate(bases_bytes());
}

static void pass(struct check *check)
{
	if (check->depth == ENTRY_WHOLE)
		count_anew(check);
	run_parts(check, walk_part);
	check->census = (struct census){};
	check->stashed = 0;
	for (int i = 0; i < check->num_parts; i++) {
		const struct part *part = &check->part[i];

		check->census.entries += part->census.entries;
		check->census.sessions += part->census.sessions;
		check->census.mappings += part->census.mappings;
		check->census.permits += part->census.permits;
		check->stashed += part->stashed;
	}
}

static bool was_suspect(const struct suspects *suspects, __u32 index, __s64 excess)
{
	size_t low = 0, high = suspects->num;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (suspects->at[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < suspects->num && suspects->at[low].index == index && suspects->at[low].excess == excess;
}

static void compare_base(struct check *check, const struct suspects *before, __u32 index, bool first)
{
	struct entry copy;
	__s64 excess;

	entry_copy(index, &copy);
	if (!life_is_visible(copy.life) || !(copy.flags & ENTRY_MAPPING) || (copy.flags & ENTRY_INBOUND))
		return;
	excess = (__s64)copy.refs - check->sessions[index];
	if (excess && (first || was_suspect(before, index, excess)))
		suspects_add(&check->refs, &(struct suspect){ .index = index, .rule = RULE_REFS, .excess = excess });
}

/* Keeps of the suspects those mappings whose references are wrong by the same number again; `first`: all. */
static void compare_refs(struct check *check, bool first)
{
	size_t words = check->depth == ENTRY_WHOLE ? bases_bytes() / sizeof(__u64) : 0;
	struct suspects before = check->refs;

	check->refs = (struct suspects){};
	for (size_t word = 0; word < words; word++)
		for (__u64 left = check->bases[word]; left; left &= left - 1)
			compare_base(check, &before, word * 64 + __builtin_ctzll(left), first);
	free(before.at);
}

/* ---- the header's numbers ---------------------------------------------------------------------------------------- */

/* A number of the header and what was seen. */
struct sum {
	enum rule rule;
	const char *what;
	__s64 excess; /* of the header's number, when last compared */
	bool wrong;   /* by the same number every time so far */
};

static void compare_sum(struct sum *sum, __u64 said, __u64 seen, bool first)
{
	__s64 excess = said - seen;

	sum->wrong = excess && (first || (sum->wrong && sum->excess == excess));
	sum->excess = excess;
}

#define NUM_SUM 4

static bool any_is_wrong(const struct sum sums[NUM_SUM])
{
	for (int i = 0; i < NUM_SUM; i++)
		if (sums[i].wrong)
			return true;
	return false;
}

static void compare_sums(struct check *check, struct sum sums[NUM_SUM], bool first)
{
	struct header *header = platform_header();

	compare_sum(&sums[0], READ_ONCE(header->num_sessions), check->census.sessions, first);
	compare_sum(&sums[1], READ_ONCE(header->num_mappings), check->census.mappings, first);
	compare_sum(&sums[2], READ_ONCE(header->num_permits), check->census.permits, first);
	compare_sum(&sums[3], READ_ONCE(header->num_stashed), check->stashed, first);
}

static void tell_numbers(struct check *check, const struct sum sums[NUM_SUM])
{
	char what[VIOLATION_ENTRY_TEXT], text[256];

	for (size_t n = 0; n < check->refs.num; n++) {
		struct entry copy;

		entry_copy(check->refs.at[n].index, &copy);
		violation_describe(&copy, what);
		snprintf(text, sizeof(text), "has %u references and %lld sessions (%s)", copy.refs,
			 copy.refs - check->refs.at[n].excess, what);
		violation_tell(&check->violations, RULE_REFS, check->refs.at[n].index, text);
	}
	for (int i = 0; i < NUM_SUM; i++) {
		if (!sums[i].wrong)
			continue;
		snprintf(text, sizeof(text), "the header counts %lld %s %s than there are", llabs(sums[i].excess),
			 sums[i].excess > 0 ? "more" : "fewer", sums[i].what);
		violation_tell(&check->violations, sums[i].rule, INDEX_NONE, text);
	}
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

/* Parts begin at multiples of 64, so that each has words of its own in a bitmap of entries. */
static void divide(struct check *check)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	__u32 num = num_entries(), share;

	check->num_parts = num < MIN_SHARED || cpus < 2 ? 1 : cpus < MAX_PARTS ? cpus : MAX_PARTS;
	share = (num / check->num_parts + 63) / 64 * 64;
	for (int i = 0; i < check->num_parts; i++)
		check->part[i] = (struct part){
			.check = check,
			.from = i * share,
			.to = i + 1 == check->num_parts ? num : (i + 1) * share,
		};
}

/* The first pass. True if there is nothing that lacks its counterpart. */
static bool survey(struct check *check)
{
	struct ledger *ledger = &check->part[0].ledger;

	ledger_open(ledger, num_entries());
	for (int i = 1; i < check->num_parts; i++)
		ledger_open_like(&check->part[i].ledger, ledger);
	check->depth = ENTRY_ALONE;
	check->judge = true;
	pass(check);
	check->depth = ENTRY_WHOLE;
	for (int i = 1; i < check->num_parts; i++)
		ledger_add(ledger, &check->part[i].ledger);
	return ledger_is_even(ledger);
}

static void close_part(struct part *part)
{
	free(part->suspects.at);
	ledger_close(&part->ledger);
}

size_t invariant_check(void (*report)(const struct violation *violation, void *ctx), void *ctx,
		       struct census *ret_census)
{
	size_t mapped_bytes = pool_check_bytes();
	struct check *check = calloc(1, sizeof(*check));
	struct sum sums[NUM_SUM] = {
		{ .rule = RULE_SESSIONS, .what = "sessions" },
		{ .rule = RULE_MAPPINGS, .what = "mappings" },
		{ .rule = RULE_PERMITS, .what = "permits" },
		{ .rule = RULE_STASH, .what = "entries of the stash" },
	};
	size_t violations;
	bool even;

	if (!check)
		abort();
	check->violations.report = report;
	check->violations.ctx = ctx;
	check->platform = platform;
	pthread_mutex_init(&check->violations.telling, NULL);
	check->mapped = mapped_bytes ? allocate(mapped_bytes) : NULL;
	divide(check);

	even = survey(check);
	compare_sums(check, sums, true);
	for (int i = 0; i < NUM_COUNTS && (i ? check->refs.num : !even) + any_is_wrong(sums); i++) {
		if (i)
			violation_pause();
		check->judge = i == 0;
		pass(check);
		compare_refs(check, i == 0);
		compare_sums(check, sums, false);
	}
	for (int i = 0; i < check->num_parts; i++)
		settle(check, &check->part[i].suspects);
	pool_check(&check->violations, check->mapped);
	tell_numbers(check, sums);
	if (ret_census)
		*ret_census = check->census;
	violations = check->violations.num;
	for (int i = 0; i < check->num_parts; i++)
		close_part(&check->part[i]);
	free(check->refs.at);
	release(check->sessions, sessions_bytes());
	release(check->bases, bases_bytes());
	release(check->mapped, mapped_bytes);
	pthread_mutex_destroy(&check->violations.telling);
	free(check);
	return violations;
}
