/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store, in steps that libFuzzer chooses: tiny tables, few tuples, every load. Beside it the plainest model there can be:
 * for each tuple of either direction who has it. (The unit tests have a model that foresees every slot; this one shares
 * nothing with it.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "displace.h"
#include "expire.h"
#include "invariant.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

#define MAX_BUCKETS 20
#define NUM_INTERNAL 5
#define NUM_EXTERNAL 6
#define NUM_REMOTE 4 /* remote 0: the mapping */
#define NOBODY (-1)

enum op {
	OP_INSERT, /* a session without a mapping */
	OP_CREATE, /* a TCP session, on the mapping of its internal endpoint or a new one */
	OP_DISPLACE,
	OP_GET,
	OP_MARK,
	OP_REMOVE,
	OP_REAP,
	OP_MOVE,
	OP_TICK,
	NUM_OP,
};

/* A step is five bytes: what to do, to whom, and how. */
struct step {
	__u8 op;
	__u8 internal;
	__u8 external;
	__u8 remote;
	__u8 how;
};

/* What the model knows of a pair, under its internal endpoint and remote. */
struct known {
	int external; /* NOBODY: there is no such pair */
	__u32 refs;
	bool counted;
	__u32 out_life;
	__u32 in_life;
};

static struct header header;
static struct config config;
static struct bucket bucket[MAX_BUCKETS];
static struct stripe stripe[NUM_STRIPES];
static struct known known[NUM_INTERNAL][NUM_REMOTE];
static int owner[NUM_EXTERNAL][NUM_REMOTE];

static void claim(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "this does not hold: %s\n", what);
	abort();
}

/* The remote's number says the protocol, so that both ways to expire are met. Mappings are for TCP. */
static struct pair pair_of(int internal, int external, int remote)
{
	struct pair pair = {
		.internal = { .addr = cpu_to_be32(0x0a000001 + internal), .port = cpu_to_be16(7) },
		.external = { .addr = cpu_to_be32(0xc0000201), .port = cpu_to_be16(100 + external) },
		.proto = IPPROTO_TCP,
	};

	if (remote == 0) {
		pair.flags = ENTRY_MAPPING;
		return pair;
	}
	if (known[internal][remote].external != NOBODY && known[internal][remote].counted)
		pair.flags = ENTRY_COUNTED;
	pair.remote = (struct endpoint){ .addr = cpu_to_be32(0xc6336400 + remote), .port = cpu_to_be16(53) };
	pair.proto = remote == 1 ? IPPROTO_UDP : IPPROTO_TCP;
	return pair;
}

static __u32 index_of(const struct pair *pair, __u8 direction)
{
	struct key key = pair_key(pair, direction);

	return store_find(&key);
}

/* Whether the store says the same of both tuples of a name as the model. */
static void compare(int internal, int external, int remote)
{
	const struct known *pair_known = &known[internal][remote];
	struct pair pair = pair_of(internal, external, remote);
	struct key out_key = pair_key(&pair, 0);
	struct key in_key = pair_key(&pair, ENTRY_INBOUND);
	struct found found;

	claim(store_get(&out_key, &found) == (pair_known->external != NOBODY),
	      "an outbound tuple is found if it is there");
	if (pair_known->external != NOBODY) {
		struct pair expect = pair_of(internal, pair_known->external, remote);

		claim(endpoint_equal(found.new, expect.external), "an outbound packet gets its external endpoint");
		claim(found.life == pair_known->out_life, "an outbound entry has the life it was given");
	}
	claim(store_get(&in_key, &found) == (owner[external][remote] != NOBODY),
	      "an inbound tuple is found if it is there");
	if (owner[external][remote] != NOBODY) {
		struct pair expect = pair_of(owner[external][remote], external, remote);

		claim(endpoint_equal(found.new, expect.internal), "an inbound packet gets its internal endpoint");
		claim(found.life == known[owner[external][remote]][remote].in_life,
		      "an inbound entry has the life it was given");
	}
}

static void forget(int internal, int remote)
{
	owner[known[internal][remote].external][remote] = NOBODY;
	known[internal][remote].external = NOBODY;
}

/* Inserts a pair in store and model; what it adds is in `new`. */
static enum insert_result insert(int internal, int remote, const struct known *new, __u8 flags, bool stash)
{
	struct pair pair = pair_of(internal, new->external, remote);
	__u64 before = header.num_sessions + header.num_mappings;
	enum insert_result result;

	pair.flags |= flags;
	result = store_insert(&pair, new->in_life, new->out_life, new->refs, stash);
	if (owner[new->external][remote] != NOBODY)
		claim(result == INSERT_TAKEN, "a tuple that has an owner is taken");
	else if (known[internal][remote].external != NOBODY)
		claim(result == INSERT_EXISTS, "a pair that is there exists");
	else
		claim(result == INSERT_DONE || result >= INSERT_NO_ROOM_IN, "a free tuple finds room or none");
	claim(header.num_sessions + header.num_mappings == before + (result == INSERT_DONE), "pairs are counted");
	if (result == INSERT_DONE) {
		known[internal][remote] = *new;
		known[internal][remote].out_life |= remote ? LIFE_SESSION : 0;
		known[internal][remote].in_life |= remote ? LIFE_SESSION : 0;
		owner[new->external][remote] = internal;
	}
	return result;
}

/* A counted session is gone, or did not come to be. */
static void release(int internal)
{
	struct pair mapping = pair_of(internal, known[internal][0].external, 0);
	bool goes = !--known[internal][0].refs;

	claim(!!store_release(&mapping, RELEASE_SESSION, 0) == goes, "a mapping goes with its last reference");
	if (goes)
		forget(internal, 0);
}

static void do_insert(const struct step *step, int internal, int external, int remote)
{
	struct known new = {
		.external = external,
		.out_life = life_make(PHASE_LIVE, step->how & LIFE_TCP_MASK, platform.now),
		.in_life = life_make(PHASE_LIVE, 0, platform.now),
	};

	insert(internal, remote, &new, 0, step->how & 1);
}

static void do_create(const struct step *step, int internal, int external, int remote)
{
	struct known new = {
		.external = external,
		.out_life = life_make(PHASE_LIVE, step->how & LIFE_TCP_MASK, platform.now),
		.in_life = life_make(PHASE_LIVE, 0, platform.now),
	};

	if (known[internal][0].external == NOBODY) {
		new.refs = 1;
		if (insert(internal, 0, &new, 0, step->how & 1) != INSERT_DONE)
			return;
		new.refs = 0;
	} else {
		struct pair mapping = pair_of(internal, known[internal][0].external, 0);

		claim(store_ref(index_of(&mapping, 0), &mapping), "a mapping that is there takes a reference");
		known[internal][0].refs++;
		new.external = known[internal][0].external;
	}
	new.counted = true;
	if (insert(internal, remote, &new, ENTRY_COUNTED, step->how & 1) != INSERT_DONE)
		release(internal);
}

static void do_get(const struct step *step, int internal, int remote)
{
	struct known *pair_known = &known[internal][remote];
	struct pair pair = pair_of(internal, pair_known->external, remote);
	__u8 direction = step->how & 1 ? ENTRY_INBOUND : 0;
	struct key key = pair_key(&pair, direction);
	__u32 *life = direction ? &pair_known->in_life : &pair_known->out_life;
	struct found found;

	claim(store_get(&key, &found), "a packet finds its pair");
	store_touch(&found, step->how & LIFE_TCP_MASK);
	*life = life_after(*life, direction, step->how & LIFE_TCP_MASK, platform.now);
}

static void do_mark(int internal, int remote)
{
	struct known *pair_known = &known[internal][remote];
	struct pair pair = pair_of(internal, pair_known->external, remote);
	bool expired = !session_expires(&config, pair.proto, pair.remote.port, pair_known->out_life,
					pair_known->in_life, platform.now);
	bool live = life_phase(pair_known->out_life) == PHASE_LIVE && life_phase(pair_known->in_life) == PHASE_LIVE;

	claim(session_mark(&config, index_of(&pair, 0)) == (!live || expired), "what has expired is marked");
	if (!live || !expired)
		return;
	pair_known->out_life = life_make(PHASE_DYING, pair_known->out_life, platform.now);
	pair_known->in_life = life_make(PHASE_DYING, pair_known->in_life, platform.now);
}

static void removed(int internal, int remote)
{
	bool counted = known[internal][remote].counted;

	forget(internal, remote);
	if (counted)
		release(internal);
}

static void do_remove(const struct step *step, int internal, int remote)
{
	struct pair pair = pair_of(internal, known[internal][remote].external, remote);
	struct pair other = pair;

	other.external.port ^= 0x80;
	claim(!store_remove(index_of(&pair, 0), &other, REMOVE_NOW, 0), "another pair is not removed");
	claim(store_remove(index_of(&pair, step->how & 1 ? ENTRY_INBOUND : 0), &pair, REMOVE_NOW, 0),
	      "a pair that is there is removed");
	removed(internal, remote);
}

static bool is_due(__u32 life, __u32 grace_s)
{
	return life_phase(life) == PHASE_DYING && life_idle(life, platform.now) >= grace_s;
}

static void do_reap(const struct step *step, int internal, int remote)
{
	struct known *pair_known = &known[internal][remote];
	struct pair pair = pair_of(internal, pair_known->external, remote);
	bool in_counts = pair.proto == IPPROTO_TCP && !(pair_known->out_life & LIFE_RST);
	__u32 grace_s = step->how & 3;
	bool goes = is_due(pair_known->out_life, grace_s) && (!in_counts || is_due(pair_known->in_life, grace_s));

	claim(store_remove(index_of(&pair, 0), &pair, REMOVE_DYING, grace_s) == goes,
	      "what is due is removed, nothing else");
	if (goes) {
		removed(internal, remote);
		return;
	}
	if (life_phase(pair_known->out_life) == PHASE_LIVE ||
	    (in_counts && life_phase(pair_known->in_life) == PHASE_LIVE)) {
		pair_known->out_life = (pair_known->out_life & ~LIFE_PHASE_MASK) | PHASE_LIVE;
		pair_known->in_life = (pair_known->in_life & ~LIFE_PHASE_MASK) | PHASE_LIVE;
	}
}

static void do_step(const struct step *step)
{
	int internal = step->internal % NUM_INTERNAL;
	int external = step->external % NUM_EXTERNAL;
	int remote = step->remote % NUM_REMOTE;
	bool session = remote && known[internal][remote].external != NOBODY;
	struct pair pair = pair_of(internal, external, remote);
	__u32 num_entries = (header.shape.num_buckets + header.shape.num_stash) * BUCKET_ENTRIES;

	switch ((enum op)(step->op % NUM_OP)) {
	case OP_INSERT:
		if (remote)
			do_insert(step, internal, external, remote);
		break;
	case OP_CREATE:
		if (pair.proto == IPPROTO_TCP && remote)
			do_create(step, internal, external, remote);
		break;
	case OP_DISPLACE:
		store_make_room(&pair, step->how & 1 ? ENTRY_INBOUND : 0);
		break;
	case OP_GET:
		if (session)
			do_get(step, internal, remote);
		break;
	case OP_MARK:
		if (session)
			do_mark(internal, remote);
		break;
	case OP_REMOVE:
		if (session)
			do_remove(step, internal, remote);
		break;
	case OP_REAP:
		if (session)
			do_reap(step, internal, remote);
		break;
	case OP_MOVE:
		store_move(step->how % (num_entries + 1)); /* one beyond the table, too */
		break;
	case OP_TICK:
		platform.now += step->how;
		break;
	case NUM_OP:
		break;
	}
	compare(internal, external, remote);
}

static void begin(const __u8 *data)
{
	static const __u32 timeout_s[NUM_TIMEOUT] = {
		[TIMEOUT_UDP] = 300,         [TIMEOUT_TCP_OPENING] = 240, [TIMEOUT_TCP_ESTABLISHED] = 1000,
		[TIMEOUT_TCP_CLOSING] = 240, [TIMEOUT_TCP_RESET] = 100,   [TIMEOUT_ICMP] = 60,
	};

	memset(&header, 0, sizeof(header));
	memset(bucket, 0, sizeof(bucket));
	memset(stripe, 0, sizeof(stripe));
	memcpy(config.timeout_s, timeout_s, sizeof(timeout_s));
	header.shape.num_buckets = 2 + data[0] % (MAX_BUCKETS - 3);
	header.shape.num_stash = 1;
	platform = (struct platform){ .header = &header,
				      .bucket = bucket,
				      .config = &config,
				      .stripe = stripe,
				      .now = 1000,
				      .random = 1 + data[1] };
	for (int i = 0; i < HASH_KEYS; i++)
		header.shape.hash_key[i] = platform_random();
	for (int remote = 0; remote < NUM_REMOTE; remote++) {
		for (int internal = 0; internal < NUM_INTERNAL; internal++)
			known[internal][remote].external = NOBODY;
		for (int external = 0; external < NUM_EXTERNAL; external++)
			owner[external][remote] = NOBODY;
	}
}

static void tell(const struct violation *violation, void *ctx)
{
	(void)ctx;
	claim(false, violation->text);
}

/* Everything as it should be; then nothing, when all has been removed. */
static void end(void)
{
	static const struct bucket empty[MAX_BUCKETS];
	static const struct step now = { .how = 0 };

	for (int internal = 0; internal < NUM_INTERNAL; internal++)
		for (int remote = 0; remote < NUM_REMOTE; remote++)
			for (int external = 0; external < NUM_EXTERNAL; external++)
				compare(internal, external, remote);
	invariant_check(tell, NULL, NULL);
	for (int internal = 0; internal < NUM_INTERNAL; internal++)
		for (int remote = 1; remote < NUM_REMOTE; remote++)
			if (known[internal][remote].external != NOBODY)
				do_remove(&now, internal, remote);
	claim(memcmp(bucket, empty, sizeof(empty)) == 0, "an emptied table is all zero");
	claim(!header.num_sessions && !header.num_mappings && !header.num_stashed, "an emptied table counts nothing");
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	if (size < 2)
		return 0;
	begin(data);
	for (size_t i = 2; i + sizeof(struct step) <= size; i += sizeof(struct step)) {
		struct step step;

		memcpy(&step, data + i, sizeof(step));
		do_step(&step);
	}
	end();
	return 0;
}
