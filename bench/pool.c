/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make bench-ports, its first part: to find a free port and take it, and to give it back, at each occupancy of a pool; and
 * what it takes to find out that there is none.
 *
 * The functions are those of the gateway (src/nat/pool.h), on maps like the gateway's, in a BPF program that does the same
 * thousands of times: draws where to begin, searches, takes and gives back. Only the look-up of the candidate among sessions
 * and sockets is left out. Which ports are in use is random, and new in each round. What going round the loop takes
 * is measured in turn, by a program that does only that, and taken off.
 */
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <jansson.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "contract.h"
#include "pool_bench.h"

/* speaks of records that the headers above define */
#include "bench/pool_bench.skel.h"

#define FIRST_PORT 1024u
#define TOTAL (NUM_PORTS - FIRST_PORT)
#define EXTERNAL_ADDRESS cpu_to_be32(0xc0000201) /* 192.0.2.1 */
#define MAX_ROUNDS 31
#define NUM_PAIRS 20000u

/* What is measured. */
enum work {
	WORK_FIND,   /* search */
	WORK_PAIR,   /* search, take, give back: under locks that the table's insert and remove hold anyway */
	WORK_LOCKED, /* the same with locks of its own */
	NUM_WORK,
};

static const char *const work_name[NUM_WORK] = { "find", "pair", "locked" };

static const double occupancy[] = { 0.5, 0.9, 0.99, 0.999, 0.9999, 1 };
#define NUM_OCCUPANCY (sizeof(occupancy) / sizeof(*occupancy))

struct options {
	int rounds;
	bool json;
};

struct bench {
	struct pool_bench *skel;
	struct pool *pool;
	double sample[NUM_OCCUPANCY][NUM_WORK][MAX_ROUNDS];
};

static void __attribute__((noreturn)) die(const char *what, int error)
{
	fprintf(stderr, "bench-pool: cannot %s: %s\n", what, strerror(error));
	exit(1);
}

/* ---- one measurement ------------------------------------------------------------------------------------------- */

static __u32 in_use(double share)
{
	return (__u32)(TOTAL * share + 0.5);
}

/* So many ports in use, any; the hints as they are when every word has been looked into. */
static void pool_fill(struct pool *pool, __u32 num)
{
	static __u16 port[TOTAL];

	memset(pool, 0, sizeof(*pool));
	for (__u32 i = 0; i < TOTAL; i++) {
		__u32 other = random() % (i + 1);

		port[i] = port[other];
		port[other] = FIRST_PORT + i;
	}
	for (__u32 i = 0; i < num; i++)
		pool->used[port[i] / 64] |= 1ull << port[i] % 64;
	for (__u32 i = num; i < TOTAL; i++)
		for (int slot = 0; slot < NUM_CONFIG_SLOT; slot++)
			pool->open[slot][port[i] / 64 / 64] |= 1ull << port[i] / 64 % 64;
}

/* Nanoseconds for each of `num` times; all have to find a port, or none. */
static double run(struct bench *bench, const struct bpf_program *program, __u32 num_found)
{
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet), .repeat = 1);

	bench->skel->bss->job = (struct pool_job){
		.num = NUM_PAIRS,
		.session = {
			.proto = IPPROTO_UDP,
			.internal = { cpu_to_be32(0x0a010101), cpu_to_be16(FIRST_PORT - 1), 0 },
			.external = { EXTERNAL_ADDRESS, 0, 0 },
			.remote = { cpu_to_be32(0xc6120001), cpu_to_be16(443), 0 },
		},
	};
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts))
		die("run a program", errno);
	if (bench->skel->bss->job.num_found != num_found) {
		fprintf(stderr, "bench-pool: %s found %u ports, not %u\n", bpf_program__name(program),
			bench->skel->bss->job.num_found, num_found);
		exit(1);
	}
	return (double)opts.duration / NUM_PAIRS;
}

static void measure(struct bench *bench, int round)
{
	const struct bpf_program *const program[NUM_WORK] = {
		bench->skel->progs.run_find,
		bench->skel->progs.run_pair,
		bench->skel->progs.run_locked,
	};

	for (__u32 i = 0; i < NUM_OCCUPANCY; i++) {
		__u32 num = in_use(occupancy[i]);
		double base;

		pool_fill(bench->pool, num);
		base = run(bench, bench->skel->progs.run_none, NUM_PAIRS);
		for (int work = 0; work < NUM_WORK; work++)
			bench->sample[i][work][round] = run(bench, program[work], num < TOTAL ? NUM_PAIRS : 0) - base;
	}
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void tell_text(const struct bench *bench, int rounds)
{
	printf("nanoseconds, the loop taken off: median [least-most]\n\n");
	printf("%8s  %6s  %20s  %22s  %20s\n", "in use", "free", "found", "taken and given back", "the same, locked");
	for (__u32 i = 0; i < NUM_OCCUPANCY; i++) {
		printf("%6.2f %%  %6u", 100 * occupancy[i], TOTAL - in_use(occupancy[i]));
		for (int work = 0; work < NUM_WORK; work++) {
			const double *sample = bench->sample[i][work];
			char cell[48];

			snprintf(cell, sizeof(cell), "%.0f [%.0f-%.0f]", sample[rounds / 2], sample[0],
				 sample[rounds - 1]);
			printf("  %*s", work == WORK_PAIR ? 22 : 20, cell);
		}
		putchar('\n');
	}
}

static void tell_json(const struct bench *bench, int rounds)
{
	json_t *results = json_array();

	for (__u32 i = 0; i < NUM_OCCUPANCY; i++) {
		json_t *entry =
			json_pack("{s:f, s:i}", "occupancy", occupancy[i], "free", (int)(TOTAL - in_use(occupancy[i])));

		for (int work = 0; work < NUM_WORK; work++) {
			const double *sample = bench->sample[i][work];

			json_object_set_new(entry, work_name[work],
					    json_pack("{s:f, s:f, s:f, s:i}", "median", sample[rounds / 2], "min",
						      sample[0], "max", sample[rounds - 1], "rounds", rounds));
		}
		json_array_append_new(results, entry);
	}
	json_dumpf(results, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(results);
}

/* ---- start ----------------------------------------------------------------------------------------------------- */

static void map_set(const struct bpf_map *map, const void *value)
{
	__u32 zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(map), &zero, value, BPF_ANY))
		die("write a map", errno);
}

static void config_set(struct bench *bench)
{
	struct config cfg = { .generation = 1, .num_external = 1, .num_slices = 1, .num_ports = TOTAL };
	struct header header = { .num_pool_addrs = 1 };

	cfg.external[0] = (struct external){ .addr = EXTERNAL_ADDRESS };
	cfg.slice[0] = (struct port_slice){ .first = FIRST_PORT, .last = NUM_PORTS - 1 };
	for (__u32 word = FIRST_PORT / 64; word < PORT_WORDS; word++) {
		cfg.ranges[word] = ~0ull;
		cfg.ranges_open[word / 64] |= 1ull << word % 64;
	}
	header.pool_addr[0] = EXTERNAL_ADDRESS;
	map_set(bench->skel->maps.config, &cfg);
	map_set(bench->skel->maps.header, &header);
}

static void bench_open(struct bench *ret_bench)
{
	struct pool *pools;

	ret_bench->skel = pool_bench__open_and_load();
	if (!ret_bench->skel)
		die("load the programs", errno);
	pools = mmap(NULL, NUM_SPACE * sizeof(struct pool), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(ret_bench->skel->maps.pools), 0);
	if (pools == MAP_FAILED)
		die("map the pool", errno);
	ret_bench->pool = &pools[SPACE_UDP];
	config_set(ret_bench);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
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
		{ "rounds", 'r', "N", 0, "how often each is measured (default: 7)", 0 },
		{ "json", 'j', NULL, 0, "print one JSON document", 0 },
		{ 0 },
	};
	static const struct argp argp = { option, parse_option, NULL, "To find a free port and give it back.",
					  NULL,   NULL,         NULL };
	struct options options = { .rounds = 7 };
	static struct bench bench;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	bench_open(&bench);
	for (int round = 0; round < options.rounds; round++)
		measure(&bench, round);
	for (__u32 i = 0; i < NUM_OCCUPANCY; i++)
		for (int work = 0; work < NUM_WORK; work++)
			qsort(bench.sample[i][work], options.rounds, sizeof(double), compare);
	if (options.json)
		tell_json(&bench, options.rounds);
	else
		tell_text(&bench, options.rounds);
	pool_bench__destroy(bench.skel);
	return 0;
}
