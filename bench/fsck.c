/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make bench-fsck: how long the check of a table takes (src/host/invariant.c), by its size.
 *
 * The table is filled as a gateway fills it: each internal endpoint has a mapping and speaks to two remote addresses, the second
 * of which has a permit. Its memory is in small pages, as that of a mapped BPF map.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "displace.h"
#include "expire.h"
#include "invariant.h"
#include "platform.h"

#define PORTS 65536u
#define PROTOS 2 /* TCP and UDP */
#define STASH_SHARE 64

struct options {
	unsigned int entries; /* as a power of two */
	double load;
	unsigned int sessions; /* of a mapping */
	unsigned int rounds;
};

struct table {
	struct header header;
	struct config config;
	struct bucket *bucket;
	struct stripe *stripe;
	struct pool *pool;
	size_t bytes;
};

static void *allocate(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		fprintf(stderr, "fsck: no memory for %zu bytes\n", bytes);
		exit(1);
	}
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	memset(memory, 0, bytes);
	return memory;
}

static void table_open(struct table *table, const struct options *options)
{
	struct store_shape *shape = &table->header.shape;
	__u32 num_buckets = (1u << options->entries) / BUCKET_ENTRIES;

	shape->num_stash = num_buckets / (STASH_SHARE + 1);
	shape->num_buckets = num_buckets - shape->num_stash;
	table->bucket = allocate((size_t)num_buckets * sizeof(struct bucket));
	table->stripe = allocate(NUM_STRIPES * sizeof(struct stripe));
	table->pool = allocate(MAX_EXTERNAL * NUM_SPACE * sizeof(struct pool));
	table->header.num_pool_addrs = MAX_EXTERNAL;
	platform = (struct platform){
		.header = &table->header,
		.bucket = table->bucket,
		.config = &table->config,
		.stripe = table->stripe,
		.pool = table->pool,
		.num_pools = MAX_EXTERNAL * NUM_SPACE,
		.now = 1000,
		.random = 0x9e3779b97f4a7c15ull,
	};
	for (int i = 0; i < HASH_KEYS; i++)
		shape->hash_key[i] = platform_random();
	for (int i = 0; i < MAX_EXTERNAL; i++)
		table->header.pool_addr[i] = cpu_to_be32(0xc0000201 + i);
}

static bool insert(const struct pair *pair, __u32 refs)
{
	__u32 life = life_make(PHASE_LIVE, 0, platform_now());

	for (int i = 0; i < 4; i++) {
		enum insert_result result = store_insert(pair, life, life, refs, i >= 2);

		if (result < INSERT_NO_ROOM_IN)
			return result == INSERT_DONE;
		store_make_room(pair, result == INSERT_NO_ROOM_IN ? ENTRY_INBOUND : 0);
	}
	return false;
}

/* An internal endpoint, and all that it has; false when there was no room. */
static bool add_mapping(const struct options *options, __u32 number)
{
	struct pair mapping = {
		.internal = { .addr = cpu_to_be32(0x0a000000 + number / 16), .port = cpu_to_be16(1024 + number % 16) },
		.external = { .addr = cpu_to_be32(0xc0000201 + number / (PORTS * PROTOS)),
			      .port = cpu_to_be16(number % PORTS) },
		.proto = number / PORTS % PROTOS ? IPPROTO_UDP : IPPROTO_TCP,
		.flags = ENTRY_MAPPING,
	};
	__u32 first = options->sessions / 2, second = options->sessions - first;
	__be32 remote[2] = { platform_random() | cpu_to_be32(1), platform_random() | cpu_to_be32(1) };
	struct pair session = mapping, permit;

	if (!insert(&mapping, options->sessions))
		return false;
	session.remote.addr = remote[1];
	permit = permit_pair(&session);
	if (second && !insert(&permit, second))
		return false;
	for (__u32 i = 0; i < options->sessions; i++) {
		session.remote.addr = remote[i >= first];
		session.remote.port = cpu_to_be16(i + 1);
		session.flags = ENTRY_COUNTED | (i >= first ? ENTRY_PERMITTED : 0);
		if (!insert(&session, 0))
			return false;
	}
	return true;
}

static void tell(const struct violation *violation, void *ctx)
{
	(void)ctx;
	fprintf(stderr, "%s at %u: %s\n", rule_name[violation->rule], violation->index, violation->text);
}

static void measure(unsigned int round)
{
	struct timespec begin, end, cpu_begin, cpu_end;
	struct census census;
	size_t num;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_begin);
	num = invariant_check(tell, NULL, &census);
	clock_gettime(CLOCK_MONOTONIC, &end);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_end);
	printf("%u: %.0f ms, of CPU %.0f ms: %u entries, %llu sessions, %llu mappings, %llu permits, %zu violations\n",
	       round, (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6,
	       (cpu_end.tv_sec - cpu_begin.tv_sec) * 1e3 + (cpu_end.tv_nsec - cpu_begin.tv_nsec) / 1e6, census.entries,
	       census.sessions, census.mappings, census.permits, num);
	fflush(stdout);
	if (num)
		exit(1);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'e':
		options->entries = atoi(arg);
		return 0;
	case 'l':
		options->load = atof(arg);
		return 0;
	case 's':
		options->sessions = atoi(arg);
		return 0;
	case 'r':
		options->rounds = atoi(arg);
		return 0;
	case ARGP_KEY_END:
		if (options->entries < 12 || options->entries > 28)
			argp_error(state, "--entries: 12 to 28");
		if (options->load <= 0 || options->load >= 1)
			argp_error(state, "--load: between 0 and 1");
		if (!options->sessions || options->sessions > PORTS)
			argp_error(state, "--sessions: at least 1");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option option[] = {
		{ "entries", 'e', "BITS", 0, "2^BITS entries (default: 24)", 0 },
		{ "load", 'l', "LOAD", 0, "how full the table is (default: 0.75)", 0 },
		{ "sessions", 's', "N", 0, "sessions of each mapping (default: 32)", 0 },
		{ "rounds", 'r', "N", 0, "how often it is checked (default: 3)", 0 },
		{ 0 },
	};
	static const struct argp argp = { option, parse_option, NULL, "How long a check of the table takes.",
					  NULL,   NULL,         NULL };
	struct options options = { .entries = 24, .load = 0.75, .sessions = 32, .rounds = 3 };
	static struct table table;
	__u32 used = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	table_open(&table, &options);
	for (__u32 n = 0; used < options.load * (1u << options.entries); n++) {
		if (!add_mapping(&options, n)) {
			fprintf(stderr, "fsck: no room for mapping %u\n", n);
			return 1;
		}
		used += 2 * (options.sessions + 2);
	}
	for (unsigned int round = 0; round < options.rounds; round++)
		measure(round);
	return 0;
}
