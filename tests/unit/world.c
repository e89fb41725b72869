/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "invariant.h"

void world_open(struct world *world, __u32 num_buckets, __u32 num_stash, __u64 seed)
{
	static const __u32 timeout_s[NUM_TIMEOUT] = {
		[TIMEOUT_UDP] = 300,         [TIMEOUT_TCP_OPENING] = 240, [TIMEOUT_TCP_ESTABLISHED] = 7440,
		[TIMEOUT_TCP_CLOSING] = 240, [TIMEOUT_TCP_RESET] = 240,   [TIMEOUT_ICMP] = 60,
		[TIMEOUT_FRAGMENT] = 30,
	};
	size_t num = (size_t)num_buckets + num_stash;

	memset(world, 0, sizeof(*world));
	world->num_entries = num * BUCKET_ENTRIES;
	world->bucket = aligned_alloc(sizeof(struct bucket), num * sizeof(struct bucket));
	world->stripe = aligned_alloc(sizeof(struct stripe), NUM_STRIPES * sizeof(struct stripe));
	world->pool = calloc(NUM_SPACE, sizeof(struct pool));
	world->crowd = calloc(NUM_CROWD, sizeof(struct crowd));
	if (!world->bucket || !world->stripe || !world->pool || !world->crowd)
		abort();
	memset(world->bucket, 0, num * sizeof(struct bucket));
	memset(world->stripe, 0, NUM_STRIPES * sizeof(struct stripe));
	memcpy(world->config.timeout_s, timeout_s, sizeof(timeout_s));
	world->header.shape.num_buckets = num_buckets;
	world->header.shape.num_stash = num_stash;
	world->header.num_pool_addrs = 1;
	world->config.generation = 1;
	world_enter(world, seed);
	for (int i = 0; i < HASH_KEYS; i++)
		world->header.shape.hash_key[i] = platform_random();
}

void world_close(struct world *world)
{
	free(world->bucket);
	free(world->stripe);
	free(world->pool);
	free(world->crowd);
	memset(world, 0, sizeof(*world));
	memset(&platform, 0, sizeof(platform));
}

void world_enter(struct world *world, __u64 seed)
{
	platform = (struct platform){
		.header = &world->header,
		.bucket = world->bucket,
		.config = &world->config,
		.stripe = world->stripe,
		.pool = world->pool,
		.num_pools = NUM_SPACE,
		.crowd = world->crowd,
		.now = 1000,
		.random = seed ? seed : 1, /* zero is where the generator would stay */
	};
}

__u64 world_seed(void)
{
	const char *text = getenv("BAUTA_SEED");
	struct timespec now;
	__u64 seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = text ? strtoull(text, NULL, 0) : (__u64)now.tv_sec * 1000000007 + now.tv_nsec;
	printf("# BAUTA_SEED=%llu\n", seed);
	fflush(stdout);
	return seed;
}

static char violation_text[160];

static void note_violation(const struct violation *violation, void *ctx)
{
	bool *noted = ctx;

	if (!*noted)
		snprintf(violation_text, sizeof(violation_text), "%s: entry %u: %s", rule_name[violation->rule],
			 violation->index, violation->text);
	*noted = true;
}

const char *world_violation(void)
{
	bool noted = false;

	return invariant_check(note_violation, &noted, NULL) ? violation_text : NULL;
}

bool world_is_empty(const struct world *world)
{
	const struct header *header = &world->header;
	const char *byte = (const char *)world->bucket;

	for (size_t i = 0; i < world->num_entries * sizeof(struct entry); i++)
		if (byte[i])
			return false;
	return !header->num_sessions && !header->num_mappings && !header->num_stashed;
}

int world_room(const struct world *world, const struct key *key, bool stash)
{
	struct place place = store_place(key);
	int room = 0;

	for (int i = 0; i < (stash ? 3 : 2); i++)
		for (int slot = 0; slot < BUCKET_ENTRIES; slot++)
			room += world->bucket[place.bucket[i]].entry[slot].life == PHASE_FREE;
	return room;
}
