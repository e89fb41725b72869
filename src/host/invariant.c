/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold in the table at any time (DESIGN.md §4), checked in one pass.
 *
 * The table may be live, so a look at an entry may fall between two steps of a writer. Whatever looks wrong is put aside
 * and looked at again several times, milliseconds apart; a writer is through in microseconds. Numbers that are compared
 * with each other (references, the header's counts) cannot be read at one moment on a live table: if they do not
 * agree, all is counted again, and only what is wrong by the same number every time is a violation.
 */
#include "invariant.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "endpoint.h"
#include "mapping.h"
#include "permit.h"
#include "platform.h"
#include "store_write.h"
#include "words.h"

#define PAUSE_NS 5000000
#define NUM_LOOKS 4
#define NUM_COUNTS 24 /* two numbers that change all the time can differ by the same one for a while */
#define MAX_SUSPECTS 4096

const char *const rule_name[NUM_RULE] = {
	[RULE_FREE] = "free",         [RULE_BUSY] = "busy",       [RULE_FIELDS] = "fields",
	[RULE_BUCKET] = "bucket",     [RULE_UNIQUE] = "unique",   [RULE_TWIN] = "twin",
	[RULE_MAPPING] = "mapping",   [RULE_REFS] = "refs",       [RULE_SESSIONS] = "sessions",
	[RULE_MAPPINGS] = "mappings", [RULE_PERMITS] = "permits", [RULE_STASH] = "stash",
	[RULE_QUOTA] = "quota",       [RULE_POOL] = "pool",
};

static const char *const rule_text[NUM_RULE] = {
	[RULE_FREE] = "a free entry is not all zero",
	[RULE_BUSY] = "an entry stays busy: its writer never finished",
	[RULE_FIELDS] = "fields that no writer writes",
	[RULE_BUCKET] = "stands in none of the three buckets of its key",
	[RULE_UNIQUE] = "its key is there twice",
	[RULE_TWIN] = "its twin is not live, does not point back, or says another pair",
	[RULE_MAPPING] = "counts on a mapping or permit that is not there",
	[RULE_POOL] = "is not marked in the pool of its external address",
};

struct suspect {
	__u32 index;
	enum rule rule; /* as last seen */
	__s64 excess;   /* references more than sessions */
};

struct suspects {
	size_t num;
	struct suspect at[MAX_SUSPECTS];
};

struct check {
	void (*report)(const struct violation *violation, void *ctx);
	void *ctx;
	size_t violations;
	struct census census;
	__u32 stashed;
	__u32 *sessions; /* counted ones of the mapping or permit whose outbound entry has this index; NULL: no memory */
	struct suspects suspects;
	struct suspects refs;
};

/* ---- one entry ------------------------------------------------------------------------------------------------- */

static void copy_entry(struct entry *entry, struct entry *ret_copy)
{
	ret_copy->life = READ_ONCE(entry->life);
	ret_copy->addrs = READ_ONCE(entry->addrs);
	ret_copy->ports = READ_ONCE(entry->ports);
	ret_copy->proto = READ_ONCE(entry->proto);
	ret_copy->flags = READ_ONCE(entry->flags);
	ret_copy->new_port = READ_ONCE(entry->new_port);
	ret_copy->new_addr = READ_ONCE(entry->new_addr);
	ret_copy->twin = READ_ONCE(entry->twin);
	ret_copy->refs = READ_ONCE(entry->refs);
}

/* A mapping has no remote, a permit the address of one, a session an endpoint; ICMP has no port of a remote. */
static bool remote_holds(const struct entry *entry, struct endpoint remote)
{
	__u8 proto = entry->proto & ~PROTO_PERMIT;

	if (entry->flags & ENTRY_MAPPING)
		return !remote.port && !remote.addr == !(entry->proto & PROTO_PERMIT);
	return remote.addr && !(entry->proto & PROTO_PERMIT) && !(proto == IPPROTO_ICMP && remote.port);
}

static bool fields_hold(const struct entry *entry)
{
	struct pair pair = entry_pair(entry);
	bool mapping = entry->flags & ENTRY_MAPPING;
	__u8 known = mapping ? ENTRY_INBOUND | ENTRY_MAPPING | ENTRY_QUOTA
			     : ENTRY_INBOUND | ENTRY_HOST | ENTRY_COUNTED | ENTRY_QUOTA | ENTRY_PERMITTED;

	if (!proto_name(entry->proto & ~PROTO_PERMIT) || (entry->flags & ~known) ||
	    mapping == !!(entry->life & LIFE_SESSION))
		return false;
	if (!pair.internal.addr || !pair.external.addr || !remote_holds(entry, pair.remote))
		return false;
	/* an outbound one without references rests; an inbound one has the first remote address there */
	return !(entry->proto & PROTO_PERMIT) || !(entry->flags & ENTRY_INBOUND) || !entry->refs;
}

/* Of two with one key, the one that stands later is told. */
static bool key_is_unique(__u32 index, const struct key *key, const struct place *place)
{
	for (int i = 0; i < 3; i++)
		for (__u32 slot = 0; slot < BUCKET_ENTRIES; slot++) {
			__u32 other_index = place->bucket[i] * BUCKET_ENTRIES + slot;
			struct entry *other = store_entry(other_index);

			if (other && other_index < index && life_is_visible(READ_ONCE(other->life)) &&
			    entry_has_key(other, key))
				return false;
		}
	return true;
}

static bool twin_holds(__u32 index, const struct entry *entry)
{
	struct entry *twin = store_entry(entry->twin);
	struct pair pair = entry_pair(entry), other;
	struct entry copy;

	if (!twin)
		return false;
	copy_entry(twin, &copy);
	other = entry_pair(&copy);
	return life_is_visible(copy.life) && copy.twin == index && ((copy.flags ^ entry->flags) & ENTRY_INBOUND) &&
	       endpoint_equal(pair.internal, other.internal) && endpoint_equal(pair.external, other.external) &&
	       endpoint_equal(pair.remote, other.remote) && pair.proto == other.proto && pair.flags == other.flags;
}

/* Where the references of a session on its permit are counted; INDEX_NONE if it is not there. */
static __u32 find_permit(const struct pair *session)
{
	struct pair permit = permit_pair(session);
	struct key key = pair_key(&permit, 0);

	return store_find(&key);
}

/* What an outbound entry rests on. */
static enum rule look_at_base(const struct entry *entry, const struct pair *pair)
{
	__u8 proto = pair->proto & ~PROTO_PERMIT;
	struct pair mapping;
	struct pool *pool;

	if (((entry->flags & ENTRY_COUNTED) || (pair->proto & PROTO_PERMIT)) &&
	    !mapping_find_external(proto, pair->external.addr, pair->external.port, &mapping))
		return RULE_MAPPING;
	if ((entry->flags & ENTRY_PERMITTED) && find_permit(pair) == INDEX_NONE)
		return RULE_MAPPING;
	if (!(entry->flags & ENTRY_MAPPING))
		return NUM_RULE;
	pool = pair_pool(pair);
	return pool && !bitmap_has(pool->used, be16_to_cpu(pair->external.port)) ? RULE_POOL : NUM_RULE;
}

/* The first rule that the entry breaks, or NUM_RULE. */
static enum rule look(__u32 index, struct entry *copy)
{
	static const struct entry zero;
	struct entry *entry = store_entry(index);
	struct place place;
	struct pair pair;
	struct key key;

	copy_entry(entry, copy);
	if (life_phase(copy->life) == PHASE_FREE)
		return memcmp(copy, &zero, sizeof(zero)) ? RULE_FREE : NUM_RULE;
	if (life_phase(copy->life) == PHASE_BUSY)
		return RULE_BUSY;
	if (!fields_hold(copy))
		return RULE_FIELDS;
	pair = entry_pair(copy);
	key = pair_key(&pair, copy->flags & ENTRY_INBOUND);
	place = store_place(&key);
	if (index / BUCKET_ENTRIES != place.bucket[0] && index / BUCKET_ENTRIES != place.bucket[1] &&
	    index / BUCKET_ENTRIES != place.bucket[2])
		return RULE_BUCKET;
	if (!key_is_unique(index, &key, &place))
		return RULE_UNIQUE;
	if (!twin_holds(index, copy))
		return RULE_TWIN;
	if (copy->flags & ENTRY_INBOUND)
		return NUM_RULE;
	return look_at_base(copy, &pair);
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

static void tell(struct check *check, enum rule rule, __u32 index, const char *text)
{
	struct violation violation = { .rule = rule, .index = index, .text = text };

	check->violations++;
	if (check->report)
		check->report(&violation, check->ctx);
}

/* "tcp 192.168.0.5:1000 192.0.2.1:50000 192.0.2.8:80", as far as there is sense in it. */
static void describe(const struct entry *entry, char *text, size_t size)
{
	char internal[ENDPOINT_TEXT], external[ENDPOINT_TEXT], remote[ENDPOINT_TEXT];
	struct pair pair = entry_pair(entry);
	const char *proto = proto_name(entry->proto & ~PROTO_PERMIT);

	snprintf(text, size, "%s %s, protocol %s, internal %s, external %s, remote %s",
		 entry->flags & ENTRY_INBOUND ? "inbound" : "outbound",
		 entry->proto & PROTO_PERMIT    ? "permit"
		 : entry->flags & ENTRY_MAPPING ? "mapping"
						: "session",
		 proto ? proto : "?", endpoint_format(pair.internal, internal),
		 endpoint_format(pair.external, external), endpoint_format(pair.remote, remote));
}

static void tell_entry(struct check *check, enum rule rule, __u32 index)
{
	char what[160], text[256];
	struct entry copy;

	copy_entry(store_entry(index), &copy);
	describe(&copy, what, sizeof(what));
	snprintf(text, sizeof(text), "%s (%s)", rule_text[rule], what);
	tell(check, rule, index, text);
}

static void pause_a_little(void)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };

	nanosleep(&pause, NULL);
}

/* Looks at what was put aside until it is right or has been wrong at every look, and tells the latter. */
static void settle(struct check *check)
{
	struct suspects *suspects = &check->suspects;
	struct entry copy;

	for (int i = 0; i < NUM_LOOKS && suspects->num; i++) {
		size_t num = 0;

		pause_a_little();
		for (size_t n = 0; n < suspects->num; n++) {
			struct suspect suspect = suspects->at[n];

			suspect.rule = look(suspect.index, &copy);
			if (suspect.rule != NUM_RULE)
				suspects->at[num++] = suspect;
		}
		suspects->num = num;
	}
	for (size_t n = 0; n < suspects->num; n++)
		tell_entry(check, suspects->at[n].rule, suspects->at[n].index);
	suspects->num = 0;
}

/* ---- counting -------------------------------------------------------------------------------------------------- */

static __u32 num_entries(void)
{
	const volatile struct store_shape *shape = platform_shape();

	return (shape->num_buckets + shape->num_stash) * BUCKET_ENTRIES;
}

static void count_session(struct check *check, const struct entry *entry)
{
	struct pair pair = entry_pair(entry), mapping;
	struct key key;
	__u32 index;

	check->census.sessions++;
	if (!check->sessions)
		return;
	index = entry->flags & ENTRY_PERMITTED ? find_permit(&pair) : INDEX_NONE;
	if (index != INDEX_NONE)
		check->sessions[index]++;
	if (!(entry->flags & ENTRY_COUNTED) ||
	    !mapping_find_external(pair.proto, pair.external.addr, pair.external.port, &mapping))
		return;
	key = pair_key(&mapping, 0);
	index = store_find(&key);
	if (index != INDEX_NONE)
		check->sessions[index]++;
}

static void count_entry(struct check *check, __u32 index, const struct entry *entry)
{
	if (!life_is_visible(entry->life))
		return;
	check->census.entries++;
	if (index_is_stash(index))
		check->stashed++;
	if (entry->flags & ENTRY_INBOUND)
		return;
	if (entry->proto & PROTO_PERMIT)
		check->census.permits++;
	else if (entry->flags & ENTRY_MAPPING)
		check->census.mappings++;
	else
		count_session(check, entry);
}

/* One pass: counts, and with `judge` puts aside what breaks a rule. */
static void pass(struct check *check, bool judge)
{
	__u32 num = num_entries();
	struct entry copy;

	check->census = (struct census){};
	check->stashed = 0;
	if (check->sessions)
		memset(check->sessions, 0, num * sizeof(*check->sessions));
	for (__u32 index = 0; index < num; index++) {
		if (judge) {
			enum rule rule = look(index, &copy);

			if (rule != NUM_RULE) {
				check->suspects.at[check->suspects.num++] =
					(struct suspect){ .index = index, .rule = rule };
				if (check->suspects.num == MAX_SUSPECTS)
					settle(check);
			}
		} else {
			copy_entry(store_entry(index), &copy);
		}
		count_entry(check, index, &copy);
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

/* Keeps of the suspects those mappings whose references are wrong by the same number again; `first`: all. */
static void compare_refs(struct check *check, bool first)
{
	struct suspects before = check->refs;
	__u32 num = check->sessions ? num_entries() : 0;
	struct entry copy;

	check->refs.num = 0;
	for (__u32 index = 0; index < num; index++) {
		__s64 excess;

		copy_entry(store_entry(index), &copy);
		if (!life_is_visible(copy.life) || !(copy.flags & ENTRY_MAPPING) || (copy.flags & ENTRY_INBOUND))
			continue;
		excess = (__s64)copy.refs - check->sessions[index];
		if (excess && check->refs.num < MAX_SUSPECTS && (first || was_suspect(&before, index, excess)))
			check->refs.at[check->refs.num++] =
				(struct suspect){ .index = index, .rule = RULE_REFS, .excess = excess };
	}
}

/* ---- pools ----------------------------------------------------------------------------------------------------- */

static const __u8 proto_of_space[NUM_SPACE] = {
	[SPACE_TCP] = IPPROTO_TCP,
	[SPACE_UDP] = IPPROTO_UDP,
	[SPACE_ICMP] = IPPROTO_ICMP,
};

static bool has_mapping(__be32 addr, __u8 proto, __u32 port)
{
	struct pair mapping;

	return mapping_find_external(proto, addr, cpu_to_be16(port), &mapping);
}

/* Leaves of the ports in `suspect` those that are marked as used and have no mapping; how many these are. */
static __u32 look_at_pool(const struct pool *pool, __be32 addr, __u8 proto, __u64 suspect[PORT_WORDS])
{
	__u32 num = 0;

	for (__u32 port = 0; port < NUM_PORTS; port++) {
		if (!bitmap_has(suspect, port))
			continue;
		if (bitmap_has(pool->used, port) && !has_mapping(addr, proto, port))
			num++;
		else
			suspect[port / 64] &= ~(1ull << port % 64);
	}
	return num;
}

/* The other direction, a mapping that is not marked, is judged with its entry. */
static void check_pool(struct check *check, const struct pool *pool, __be32 addr, __u8 proto)
{
	char endpoint[ENDPOINT_TEXT], text[128];
	__u64 suspect[PORT_WORDS];

	for (__u32 word = 0; word < PORT_WORDS; word++)
		suspect[word] = READ_ONCE(pool->used[word]);
	for (int i = 0; i < NUM_LOOKS; i++) {
		if (!look_at_pool(pool, addr, proto, suspect))
			return;
		pause_a_little();
	}
	for (__u32 port = 0; port < NUM_PORTS; port++) {
		struct endpoint external = { .addr = addr, .port = cpu_to_be16(port) };

		if (!bitmap_has(suspect, port))
			continue;
		snprintf(text, sizeof(text), "%s %s is marked as used, and has no mapping", proto_name(proto),
			 endpoint_format(external, endpoint));
		tell(check, RULE_POOL, INDEX_NONE, text);
	}
}

static void check_pools(struct check *check)
{
	struct header *header = platform_header();

	for (__u32 i = 0; i < MAX_EXTERNAL && i < header->num_pool_addrs; i++)
		for (__u32 space = 0; space < NUM_SPACE && header->pool_addr[i]; space++) {
			struct pool *pool = platform_pool(i * NUM_SPACE + space);

			if (pool)
				check_pool(check, pool, header->pool_addr[i], proto_of_space[space]);
		}
}

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
	char what[160], text[256];

	for (size_t n = 0; n < check->refs.num; n++) {
		struct entry copy;

		copy_entry(store_entry(check->refs.at[n].index), &copy);
		describe(&copy, what, sizeof(what));
		snprintf(text, sizeof(text), "has %u references and %lld sessions (%s)", copy.refs,
			 copy.refs - check->refs.at[n].excess, what);
		tell(check, RULE_REFS, check->refs.at[n].index, text);
	}
	for (int i = 0; i < NUM_SUM; i++) {
		if (!sums[i].wrong)
			continue;
		snprintf(text, sizeof(text), "the header counts %lld %s %s than there are", llabs(sums[i].excess),
			 sums[i].excess > 0 ? "more" : "fewer", sums[i].what);
		tell(check, sums[i].rule, INDEX_NONE, text);
	}
}

size_t invariant_check(void (*report)(const struct violation *violation, void *ctx), void *ctx,
		       struct census *ret_census)
{
	struct check *check = calloc(1, sizeof(*check));
	struct sum sums[NUM_SUM] = {
		{ .rule = RULE_SESSIONS, .what = "sessions" },
		{ .rule = RULE_MAPPINGS, .what = "mappings" },
		{ .rule = RULE_PERMITS, .what = "permits" },
		{ .rule = RULE_STASH, .what = "entries of the stash" },
	};
	size_t violations;

	if (!check)
		abort();
	check->report = report;
	check->ctx = ctx;
	check->sessions = calloc(num_entries(), sizeof(*check->sessions));

	for (int i = 0; i < NUM_COUNTS; i++) {
		pass(check, i == 0);
		compare_refs(check, i == 0);
		compare_sums(check, sums, i == 0);
		if (!check->refs.num && !any_is_wrong(sums))
			break;
		pause_a_little();
	}
	settle(check);
	check_pools(check);
	tell_numbers(check, sums);
	if (ret_census)
		*ret_census = check->census;
	violations = check->violations;
	free(check->sessions);
	free(check);
	return violations;
}
