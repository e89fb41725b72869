/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make bench-store: find, insert and remove in the store and in a hash map of the kernel, side by side.
 *
 * Both hold the same sessions, two entries each: the store at a load of 0.75, the hash map preallocated, with keys and
 * values of the same size. The operations run in BPF programs, in a random order, in turn: round by round each operation
 * of each table and a program that only makes the keys, whose time is taken off the others'. A find is timed twice: when
 * each key is known only after the last find, as from packet to packet, and when the CPU may overlap several.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <jansson.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "store_bench.h"
#include "store_set.h"
#include "store_write.h"

/* speaks of records that the headers above define */
#include "bench/store_bench.skel.h"

#define MAX_SIZES 8
#define MAX_ROUNDS 31
#define CHUNK 65536u         /* operations in one run of a program */
#define MAX_FINDS (1u << 20) /* of one measurement */
#define MAX_PAIRS (1u << 18)

enum operation {
	OPERATION_FIND,       /* one entry, each after the one before */
	OPERATION_FIND_AHEAD, /* one entry, independent of the others */
	OPERATION_INSERT,     /* a session: two entries */
	OPERATION_REMOVE,
	NUM_OPERATION,
};

static const char *const operation_name[NUM_OPERATION] = { "find", "find-ahead", "insert", "remove" };

/* Who is measured. SUBJECT_NONE makes the keys and does nothing with them. */
enum subject {
	SUBJECT_NONE,
	SUBJECT_STORE,
	SUBJECT_HASH,
	SUBJECT_NONE_NATIVE,
	SUBJECT_NATIVE,
	NUM_SUBJECT,
};

static const char *const subject_name[NUM_SUBJECT] = { "keys", "store", "hash_map", "keys_native", "store_native" };

struct options {
	__u32 sessions[MAX_SIZES];
	int num_sizes;
	int rounds;
	bool json;
};

/* Both tables with `sessions` sessions in them. */
struct bench {
	struct store_bench *skel;
	struct store_shape shape;
	struct header header; /* of the native table */
	struct bucket *bucket;
	struct stripe *stripe;
	__u32 sessions;
	__u32 bits;
	double sample[NUM_OPERATION][NUM_SUBJECT][MAX_ROUNDS];
};

static void die(const char *what, int error)
{
	fprintf(stderr, "bench-store: cannot %s: %s\n", what, strerror(error));
	exit(1);
}

/* ---- one measurement ------------------------------------------------------------------------------------------ */

/* CPU time, since unlike a BPF program this one can be interrupted by others. */
static double native_ns(const struct timespec *begin)
{
	struct timespec end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	return (end.tv_sec - begin->tv_sec) * 1e9 + (end.tv_nsec - begin->tv_nsec);
}

static __attribute__((noinline)) void native_find(struct store_job *job, bool find)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < job->num; i++) {
		__u32 n = job->first + i + (job->chain ? (__u32)sum & READ_ONCE(job->zero) : 0);
		__u32 number = set_permute(n, job->mask, job->bits, job->salt);
		struct pair pair = set_pair(number >> 1);
		struct key key = pair_key(&pair, number & 1 ? ENTRY_INBOUND : 0);
		struct found found = { .new = { .addr = key.tuple.src } };

		if (find && !store_get(&key, &found))
			continue;
		sum += found.new.addr ^ found.new.port;
		job->num_done++;
	}
	job->sum += sum;
}

static __attribute__((noinline)) void native_pair(struct store_job *job, bool act, enum operation operation)
{
	for (__u32 i = 0; i < job->num; i++) {
		struct pair pair = set_pair(set_permute(job->first + i, job->mask, job->bits, job->salt));
		struct key key = pair_key(&pair, 0);
		bool done = true;

		if (act && operation == OPERATION_INSERT)
			done = set_insert(&pair) == INSERT_DONE;
		else if (act)
			done = store_remove(store_find(&key), &pair, REMOVE_NOW, 0);
		job->sum += key.tuple.addrs ^ pair.external.port;
		job->num_done += done;
	}
}

static double run_native(struct store_job *job, enum operation operation, bool act)
{
	struct timespec begin;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	if (operation <= OPERATION_FIND_AHEAD)
		native_find(job, act);
	else
		native_pair(job, act, operation);
	return native_ns(&begin);
}

static double run_bpf(struct bench *bench, struct store_job *job, const struct bpf_program *prog)
{
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet), .repeat = 1);
	double ns = 0;
	__u32 last = job->first + job->num;

	bench->skel->bss->job = *job;
	for (__u32 first = job->first; first < last; first += CHUNK) {
		bench->skel->bss->job.first = first;
		bench->skel->bss->job.num = last - first < CHUNK ? last - first : CHUNK;
		if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
			die("run a program", errno);
		ns += opts.duration;
	}
	job->num_done = bench->skel->bss->job.num_done;
	return ns;
}

static const struct bpf_program *program_of(const struct bench *bench, enum operation operation, enum subject subject)
{
	const struct store_bench *skel = bench->skel;
	const struct bpf_program *prog[NUM_OPERATION][3] = {
		{ skel->progs.run_none_find, skel->progs.run_store_bench_find, skel->progs.run_hash_find },
		{ skel->progs.run_none_find, skel->progs.run_store_bench_find, skel->progs.run_hash_find },
		{ skel->progs.run_none_pair, skel->progs.run_store_bench_insert, skel->progs.run_hash_insert },
		{ skel->progs.run_none_pair, skel->progs.run_store_bench_remove, skel->progs.run_hash_remove },
	};

	return prog[operation][subject];
}

/* Does `num` operations and returns nanoseconds per operation. Every one of them has to succeed. */
static double measure(struct bench *bench, enum operation operation, enum subject subject, __u32 num, __u32 round)
{
	bool single = operation <= OPERATION_FIND_AHEAD;
	__u32 numbers = single ? 2 * bench->sessions : bench->sessions;
	struct store_job job = {
		/* what a round removes is what it inserts again */
		.first = round * num % numbers,
		.num = num,
		.mask = numbers - 1,
		.bits = single ? bench->bits + 1 : bench->bits,
		.salt = round / (numbers / num) * 7919,
		.chain = operation == OPERATION_FIND,
	};
	double ns;

	if (subject >= SUBJECT_NONE_NATIVE)
		ns = run_native(&job, operation, subject == SUBJECT_NATIVE);
	else
		ns = run_bpf(bench, &job, program_of(bench, operation, subject));
	if (job.num_done != num) {
		fprintf(stderr, "bench-store: %s of %s: %u of %u succeeded\n", operation_name[operation],
			subject_name[subject], job.num_done, num);
		exit(1);
	}
	return ns / num;
}

/* ---- one size ------------------------------------------------------------------------------------------------- */

static void bench_open(struct bench *bench, __u32 sessions)
{
	size_t num_buckets, bytes;

	memset(bench, 0, sizeof(*bench));
	bench->sessions = sessions;
	bench->bits = __builtin_ctz(sessions);
	bench->shape.num_buckets = (sessions * 2ull + 2) / 3; /* 2 entries each, 4 slots in a bucket, load 0.75 */
	bench->shape.num_stash = bench->shape.num_buckets / 64 > 16 ? bench->shape.num_buckets / 64 : 16;
	for (int i = 0; i < HASH_KEYS; i++)
		bench->shape.hash_key[i] = 0x9e3779b9u * (i + 1);
	num_buckets = (size_t)bench->shape.num_buckets + bench->shape.num_stash;

	bench->skel = store_bench__open();
	if (!bench->skel)
		die("open the programs", errno);
	bpf_map__set_max_entries(bench->skel->maps.store, num_buckets);
	bpf_map__set_max_entries(bench->skel->maps.hash, 2 * sessions);
	memcpy((void *)&bench->skel->rodata->shape, &bench->shape, sizeof(bench->shape));
	if (store_bench__load(bench->skel))
		die("load the programs", errno);

	bytes = num_buckets * sizeof(struct bucket);
	bench->bucket = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	bench->stripe = aligned_alloc(sizeof(struct stripe), NUM_STRIPES * sizeof(struct stripe));
	if (bench->bucket == MAP_FAILED || !bench->stripe)
		die("get memory", ENOMEM);
	memset(bench->stripe, 0, NUM_STRIPES * sizeof(struct stripe));
	bench->header.shape = bench->shape;
	platform = (struct platform){ .header = &bench->header, .bucket = bench->bucket, .stripe = bench->stripe };
}

static void bench_close(struct bench *bench)
{
	munmap(bench->bucket, (size_t)(bench->shape.num_buckets + bench->shape.num_stash) * sizeof(struct bucket));
	free(bench->stripe);
	store_bench__destroy(bench->skel);
}

static void bench_run(struct bench *bench, int rounds)
{
	static const enum operation order[NUM_OPERATION] = { OPERATION_FIND, OPERATION_FIND_AHEAD, OPERATION_REMOVE,
							     OPERATION_INSERT };
	__u32 num_pairs = bench->sessions < MAX_PAIRS ? bench->sessions : MAX_PAIRS;
	__u32 num_finds = 2 * bench->sessions < MAX_FINDS ? 2 * bench->sessions : MAX_FINDS;

	for (__u32 first = 0; first < bench->sessions / num_pairs; first++)
		for (enum subject subject = 0; subject < NUM_SUBJECT; subject++)
			measure(bench, OPERATION_INSERT, subject, num_pairs, first);
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < NUM_OPERATION; i++)
			for (enum subject subject = 0; subject < NUM_SUBJECT; subject++)
				bench->sample[order[i]][subject][round] =
					measure(bench, order[i], subject,
						order[i] <= OPERATION_FIND_AHEAD ? num_finds : num_pairs, round);
}

/* ---- telling -------------------------------------------------------------------------------------------------- */

struct spread {
	double median;
	double min;
	double max;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct spread spread_of(const double *sample, int num)
{
	double sorted[MAX_ROUNDS];

	memcpy(sorted, sample, num * sizeof(*sorted));
	qsort(sorted, num, sizeof(*sorted), compare);
	return (struct spread){ sorted[num / 2], sorted[0], sorted[num - 1] };
}

/* What an operation takes without the making of its keys, round by round. */
static struct spread net(const struct bench *bench, enum operation operation, enum subject subject, int rounds)
{
	double sample[MAX_ROUNDS];
	enum subject base = subject == SUBJECT_NATIVE ? SUBJECT_NONE_NATIVE : SUBJECT_NONE;

	for (int i = 0; i < rounds; i++)
		sample[i] = bench->sample[operation][subject][i] - bench->sample[operation][base][i];
	return spread_of(sample, rounds);
}

static struct spread net_ratio(const struct bench *bench, enum operation operation, int rounds)
{
	double sample[MAX_ROUNDS];

	for (int i = 0; i < rounds; i++) {
		const double(*s)[MAX_ROUNDS] = bench->sample[operation];

		sample[i] = (s[SUBJECT_STORE][i] - s[SUBJECT_NONE][i]) / (s[SUBJECT_HASH][i] - s[SUBJECT_NONE][i]);
	}
	return spread_of(sample, rounds);
}

/* Bytes that the kernel charges for a map. */
static double map_bytes(const struct bpf_map *map)
{
	char path[64], line[128];
	double bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
	file = fopen(path, "r");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock:%lf", &bytes) == 1)
			break;
	fclose(file);
	return bytes;
}

/* Share of the entries that are found in their first bucket, second bucket, stash. */
static void places(const struct bench *bench, double ret_share[3])
{
	__u64 num[3] = { 0 }, total = 0;

	for (__u32 i = 0; i < (bench->shape.num_buckets + bench->shape.num_stash) * BUCKET_ENTRIES; i++) {
		const struct entry *entry = store_entry(i);
		struct pair pair = entry_pair(entry);
		struct key key = pair_key(&pair, entry->flags & ENTRY_INBOUND);
		struct place place = store_place(&key);

		if (!life_is_visible(entry->life))
			continue;
		total++;
		for (int p = 0; p < 3; p++)
			num[p] += i / BUCKET_ENTRIES == place.bucket[p];
	}
	for (int p = 0; p < 3; p++)
		ret_share[p] = total ? (double)num[p] / total : 0;
}

static void tell_header(void)
{
	printf("nanoseconds, the making of the keys taken off: median [least-most]\n\n");
	printf("%9s  %-10s  %18s  %18s  %18s  %18s\n", "sessions", "operation", "store", "hash map", "store/hash map",
	       "store, native");
}

static void tell_text(const struct bench *bench, int rounds)
{
	double share[3];

	for (int op = 0; op < NUM_OPERATION; op++) {
		const enum subject subject[3] = { SUBJECT_STORE, SUBJECT_HASH, SUBJECT_NATIVE };
		struct spread ratio = net_ratio(bench, op, rounds);
		char cell[4][48];

		for (int i = 0; i < 3; i++) {
			struct spread s = net(bench, op, subject[i], rounds);

			snprintf(cell[i], sizeof(cell[i]), "%.0f [%.0f-%.0f]", s.median, s.min, s.max);
		}
		snprintf(cell[3], sizeof(cell[3]), "%.2f [%.2f-%.2f]", ratio.median, ratio.min, ratio.max);
		printf("%9u  %-10s  %18s  %18s  %18s  %18s\n", bench->sessions, operation_name[op], cell[0], cell[1],
		       cell[3], cell[2]);
	}
	places(bench, share);
	printf("%9s  first bucket %.1f %%, second %.1f %%, stash %.3f %%; bytes a session: store %.1f, hash map "
	       "%.1f\n\n",
	       "", 100 * share[0], 100 * share[1], 100 * share[2], map_bytes(bench->skel->maps.store) / bench->sessions,
	       map_bytes(bench->skel->maps.hash) / bench->sessions);
	fflush(stdout);
}

static json_t *spread_json(struct spread spread)
{
	return json_pack("{s:f, s:f, s:f}", "median", spread.median, "min", spread.min, "max", spread.max);
}

static json_t *size_json(const struct bench *bench, int rounds)
{
	json_t *operations = json_object();
	double share[3];

	for (int op = 0; op < NUM_OPERATION; op++) {
		json_t *entry = json_object();

		for (enum subject subject = 0; subject < NUM_SUBJECT; subject++) {
			bool keys = subject == SUBJECT_NONE || subject == SUBJECT_NONE_NATIVE;
			struct spread s =
				keys ? spread_of(bench->sample[op][subject], rounds) : net(bench, op, subject, rounds);

			json_object_set_new(entry, subject_name[subject], spread_json(s));
		}
		json_object_set_new(entry, "store_to_hash_map", spread_json(net_ratio(bench, op, rounds)));
		json_object_set_new(operations, operation_name[op], entry);
	}
	places(bench, share);
	return json_pack("{s:I, s:o, s:[f,f,f], s:f, s:f}", "sessions", (json_int_t)bench->sessions, "ns", operations,
			 "places", share[0], share[1], share[2], "store_bytes_per_session",
			 map_bytes(bench->skel->maps.store) / bench->sessions, "hash_map_bytes_per_session",
			 map_bytes(bench->skel->maps.hash) / bench->sessions);
}

/* ---- options -------------------------------------------------------------------------------------------------- */

static error_t parse_sessions(struct options *options, const char *text, struct argp_state *state)
{
	options->num_sizes = 0;
	do {
		char *end;
		unsigned long num = strtoul(text, &end, 10);

		if (end == text || (*end && *end != ',') || num < 1024 || num > 1ul << 24 || num & (num - 1))
			argp_error(state, "--sessions: powers of two from 1024 to 16777216, with commas between them");
		if (options->num_sizes == MAX_SIZES)
			argp_error(state, "--sessions: at most %d numbers", MAX_SIZES);
		options->sessions[options->num_sizes++] = num;
		text = *end ? end + 1 : end;
	} while (*text);
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 's':
		return parse_sessions(options, arg, state);
	case 'r':
		options->rounds = atoi(arg);
		if (options->rounds < 1 || options->rounds > MAX_ROUNDS)
			argp_error(state, "--rounds: 1 to %d", MAX_ROUNDS);
		return 0;
	case 'j':
		options->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option option[] = {
		{ "sessions", 's', "N,...", 0, "numbers of sessions (default: 1024,65536,1048576,4194304)", 0 },
		{ "rounds", 'r', "N", 0, "how often each is measured (default: 7)", 0 },
		{ "json", 'j', NULL, 0, "print one JSON document", 0 },
		{ 0 },
	};
	static const struct argp argp = { option, parse_option, NULL, "The store beside a hash map of the kernel.",
					  NULL,   NULL,         NULL };
	struct options options = { { 1024, 65536, 1 << 20, 1 << 22 }, 4, 7, false };
	json_t *results = json_array();
	static struct bench bench;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (!options.json)
		tell_header();
	for (int i = 0; i < options.num_sizes; i++) {
		bench_open(&bench, options.sessions[i]);
		bench_run(&bench, options.rounds);
		if (options.json)
			json_array_append_new(results, size_json(&bench, options.rounds));
		else
			tell_text(&bench, options.rounds);
		bench_close(&bench);
	}
	if (options.json) {
		json_dumpf(results, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(results);
	return 0;
}
