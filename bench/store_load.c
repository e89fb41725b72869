/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How full the store can be: at which load the stash is first used and an insert first refused, and what becomes of a table
 * whose sessions come and go at the load that it was made for.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_set.h"
#include "store_write.h"

#define MIN_STASH 16

struct options {
	unsigned int from; /* sessions, as powers of two */
	unsigned int to;
	double load;
	unsigned int stash_share; /* stash = buckets / this */
	unsigned int churn;       /* how often each session is replaced, on average */
};

struct table {
	struct header header;
	struct bucket *bucket;
	struct stripe *stripe;
	struct pair *session;
	__u32 num_sessions; /* of the load that the table is made for */
};

static double load_of(const struct table *table)
{
	return 2.0 * table->header.num_sessions / ((double)table->header.shape.num_buckets * BUCKET_ENTRIES);
}

static void *allocate(size_t num, size_t size)
{
	void *memory = aligned_alloc(128, (num * size + 127) / 128 * 128);

	if (!memory) {
		fprintf(stderr, "store_load: no memory for %zu bytes\n", num * size);
		exit(1);
	}
	return memset(memory, 0, num * size);
}

static void table_open(struct table *table, const struct options *options, __u32 num_sessions)
{
	struct store_shape *shape = &table->header.shape;

	memset(table, 0, sizeof(*table));
	table->num_sessions = num_sessions;
	shape->num_buckets = 2 * num_sessions / options->load / BUCKET_ENTRIES;
	shape->num_stash = shape->num_buckets / options->stash_share;
	if (shape->num_stash < MIN_STASH)
		shape->num_stash = MIN_STASH;
	table->bucket = allocate((size_t)shape->num_buckets + shape->num_stash, sizeof(struct bucket));
	table->stripe = allocate(NUM_STRIPES, sizeof(struct stripe));
	table->session = allocate(num_sessions, sizeof(struct pair));
	platform = (struct platform){
		.header = &table->header,
		.bucket = table->bucket,
		.stripe = table->stripe,
		.random = 0x9e3779b97f4a7c15ull + num_sessions,
	};
	for (int i = 0; i < HASH_KEYS; i++)
		shape->hash_key[i] = platform_random();
}

static void table_close(struct table *table)
{
	free(table->bucket);
	free(table->stripe);
	free(table->session);
}

/* Inserts a session that nobody has; false if it found no room. */
static bool session_add(struct pair *ret_session)
{
	enum insert_result result;

	do {
		struct pair session = { .proto = IPPROTO_TCP };

		session.internal.addr = cpu_to_be32(0x0a000000 | (platform_random() & 0xffffff));
		session.internal.port = platform_random();
		session.external.addr = cpu_to_be32(0xc0000201);
		session.external.port = platform_random();
		session.remote.addr = platform_random();
		session.remote.port = cpu_to_be16(443);
		*ret_session = session;
		result = set_insert(&session);
	} while (result == INSERT_TAKEN || result == INSERT_EXISTS);
	return result == INSERT_DONE;
}

static void session_remove(struct pair *session)
{
	struct key key = pair_key(session, 0);

	if (session->proto && !store_remove(store_find(&key), session, REMOVE_NOW, 0))
		abort();
	session->proto = 0;
}

/* Fills a table until it refuses a session. */
static void fill(const struct options *options, __u32 num_sessions, double *ret_stashed, double *ret_refused)
{
	struct table table;
	struct pair session;

	table_open(&table, options, num_sessions);
	*ret_stashed = 0;
	while (session_add(&session))
		if (!*ret_stashed && table.header.num_stashed)
			*ret_stashed = load_of(&table);
	*ret_refused = load_of(&table);
	if (!*ret_stashed)
		*ret_stashed = *ret_refused;
	table_close(&table);
}

/* Fills a table to its load, then replaces sessions at random. */
static void churn(const struct options *options, __u32 num_sessions, __u32 *ret_filled_stash, __u32 *ret_stash,
		  __u64 *ret_refused)
{
	__u64 num = (__u64)options->churn * num_sessions;
	struct table table;

	table_open(&table, options, num_sessions);
	*ret_refused = 0;
	for (__u32 i = 0; i < num_sessions; i++)
		if (!session_add(&table.session[i])) {
			table.session[i].proto = 0;
			++*ret_refused;
		}
	*ret_filled_stash = table.header.num_stashed;
	for (__u64 i = 0; i < num; i++) {
		struct pair *session = &table.session[hash_scale(platform_random(), num_sessions)];

		session_remove(session);
		if (!session_add(session)) {
			session->proto = 0;
			++*ret_refused;
		}
	}
	*ret_stash = table.header.num_stashed;
	table_close(&table);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'f':
		options->from = atoi(arg);
		return 0;
	case 't':
		options->to = atoi(arg);
		return 0;
	case 'l':
		options->load = atof(arg);
		return 0;
	case 's':
		options->stash_share = atoi(arg);
		return 0;
	case 'c':
		options->churn = atoi(arg);
		return 0;
	case ARGP_KEY_END:
		if (options->from < 8 || options->to > 24 || options->from > options->to)
			argp_error(state, "--from and --to: 8 to 24");
		if (options->load <= 0 || options->load >= 1)
			argp_error(state, "--load: between 0 and 1");
		if (!options->stash_share)
			argp_error(state, "--stash-share: at least 1");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option option[] = {
		{ "from", 'f', "BITS", 0, "2^BITS sessions in the smallest table (default: 10)", 0 },
		{ "to", 't', "BITS", 0, "2^BITS sessions in the largest table (default: 22)", 0 },
		{ "load", 'l', "LOAD", 0, "what the tables are made for (default: 0.75)", 0 },
		{ "stash-share", 's', "N", 0, "a stash of buckets / N (default: 64)", 0 },
		{ "churn", 'c', "N", 0, "how often each session is replaced (default: 8)", 0 },
		{ 0 },
	};
	static const struct argp argp = { option, parse_option, NULL, "How full the store can be.", NULL, NULL, NULL };
	struct options options = { .from = 10, .to = 22, .load = 0.75, .stash_share = 64, .churn = 8 };

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	printf("%9s %9s %7s  %s  %s  %s\n", "sessions", "buckets", "stash", "load: stash used, refused",
	       "in the stash: filled, after churn", "refused of a million");
	for (unsigned int bits = options.from; bits <= options.to; bits += 2) {
		__u32 num_sessions = 1u << bits;
		__u32 num_buckets = 2 * num_sessions / options.load / BUCKET_ENTRIES;
		__u32 num_stash = num_buckets / options.stash_share;
		__u32 filled_stash, stash;
		double stashed, refused;
		__u64 num_refused;

		fill(&options, num_sessions, &stashed, &refused);
		churn(&options, num_sessions, &filled_stash, &stash, &num_refused);
		printf("%9u %9u %7u  %16.3f  %7.3f  %15.4f %%  %12.4f %%  %20.2f\n", num_sessions, num_buckets,
		       num_stash < MIN_STASH ? MIN_STASH : num_stash, stashed, refused,
		       50.0 * filled_stash / num_sessions, 50.0 * stash / num_sessions,
		       1e6 * num_refused / ((1.0 + options.churn) * num_sessions));
		fflush(stdout);
	}
	return 0;
}
