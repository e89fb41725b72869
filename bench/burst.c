/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sends flows toward one remote endpoint through a set of namespaces, and times each packet: commands on stdin, one JSON
 * object a line on stdout.
 *
 *   flows FIRST LAST SEED  the flows: one for each port of the range, in a random order, and probes with ports of the first
 *   fill NUM               flows 0 .. NUM-1, as often as needed for all to come out at the other side
 *   probe FILLED NUM BATCH probes 0 .. NUM-1, beside so many flows: the nanoseconds that their packets took, how many got
 *                          through; with batches of one also for each packet by itself
 *
 * A NAT that keeps ports gives each flow its own. So filling searches for nothing, which ports are in use is random, and a
 * probe, whose own port is taken already, has to be found another one.
 *
 * Everything happens on one CPU. A batch is through the gateway, and in the sink or dropped, before the next one is made:
 * softirqs run when the test run enables them again, in the generator's thread. So from the making of one batch to the
 * making of the next is what it took. The thread has real-time priority meanwhile; what interrupts do remains in the figures.
 */
#include "burst.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "side.h"

#include "bench/burst_bench.skel.h"

#define NUM_HOSTS 256
#define FILL_HOST 0x0a010000  /* 10.1.0.0 and those behind it */
#define PROBE_HOST 0x0a010101 /* 10.1.1.1 */
#define FILL_TRIES 4
#define FILL_BATCH 64
#define NUM_WARM 64
#define DRAIN_TRIES 2000
#define DRAIN_NS 50000

struct bench {
	struct burst_bench *skel;
	struct namespace inside;
	struct namespace outside;
	struct flow *flow;
	struct learned *learned;
	const __u64 *stamp;
	__u32 num_flows;
	int cpu;
};

/* ---- flows ----------------------------------------------------------------------------------------------------- */

static void flow_set(struct flow *flow, __u32 address, __u16 port)
{
	flow->address[0] = htons(address >> 16);
	flow->address[1] = htons(address & 0xffff);
	flow->port = htons(port);
}

static void do_flows(struct bench *bench, __u32 first, __u32 last, __u32 seed)
{
	__u32 num = last - first + 1;
	__u32 half = num / 2;
	__u16 port[MAX_FILL] = { 0 };

	if (first < 1 || first >= last || last > 65535 || !half)
		side_die("ports %u to %u: ports 1 to 65535, more than one", first, last);
	srandom(seed);
	for (__u32 i = 0; i < num; i++) {
		__u32 other = random() % (i + 1);

		port[i] = port[other];
		port[other] = first + i;
	}
	for (__u32 i = 0; i < num; i++)
		flow_set(&bench->flow[i], FILL_HOST + i % NUM_HOSTS, port[i]);
	/* their own ports are in use at any occupancy from half on */
	for (__u32 i = 0; i < MAX_PROBE; i++)
		flow_set(&bench->flow[MAX_FILL + i], PROBE_HOST + i / half, port[i % half]);
	bench->num_flows = num;
	printf("{\"flows\": %u}\n", num);
}

/* ---- sending --------------------------------------------------------------------------------------------------- */

static void priority_set(int policy)
{
	const struct sched_param param = { .sched_priority = policy == SCHED_FIFO ? 1 : 0 };

	if (sched_setscheduler(0, policy, &param))
		side_die("cannot change the scheduling policy: %s", strerror(errno));
}

/* One burst. When its last packet has come out, all before it have been dealt with. */
static void burst_send(struct bench *bench, const struct burst *burst, __u32 batch)
{
	const volatile struct burst *live = &bench->skel->bss->burst;
	__u32 num_packets = burst->warm + burst->num + 1;
	struct frame frame = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_size_in = sizeof(frame), .repeat = num_packets,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = batch);
	int error;

	bench->skel->bss->burst = *burst;
	memset(bench->learned + burst->first, 0, burst->num * sizeof(*bench->learned));
	priority_set(burst->stamped ? SCHED_FIFO : SCHED_OTHER);
	error = bpf_prog_test_run_opts(bpf_program__fd(bench->skel->progs.generate_burst), &options);
	priority_set(SCHED_OTHER);
	if (error)
		side_die("cannot run the generator with live frames: %s", strerror(-error));
	for (int i = 0; i < DRAIN_TRIES && live->arrived <= burst->warm; i++)
		nanosleep(&(struct timespec){ .tv_nsec = DRAIN_NS }, NULL);
}

static __u32 learned_count(const struct bench *bench, __u32 first, __u32 num)
{
	__u32 num_learned = 0;

	for (__u32 i = first; i < first + num; i++)
		num_learned += bench->learned[i].port != 0;
	return num_learned;
}

/* How many flows have an external port that no flow before them has. Flows share one remote: it has to be all. */
static __u32 learned_distinct(const struct bench *bench, __u32 num)
{
	bool seen[65536] = { false };
	__u32 num_distinct = 0;

	for (__u32 i = 0; i < MAX_FLOW; i++) {
		__u16 port = bench->learned[i].port;

		if ((i >= num && i < MAX_FILL) || !port)
			continue;
		num_distinct += !seen[port];
		seen[port] = true;
	}
	return num_distinct;
}

static void do_fill(struct bench *bench, __u32 num)
{
	const struct burst burst = { .num = num };
	__u32 num_learned = 0;

	memset(bench->learned, 0, MAX_FLOW * sizeof(*bench->learned));
	for (int i = 0; i < FILL_TRIES && num_learned != num; i++) {
		burst_send(bench, &burst, FILL_BATCH);
		num_learned = learned_count(bench, 0, num);
	}
	printf("{\"learned\": %u, \"distinct\": %u}\n", num_learned, learned_distinct(bench, num));
}

static void print_numbers(const char *name, const __u64 *stamp, __u32 first, __u32 last)
{
	printf("\"%s\": [", name);
	for (__u32 i = first; i < last; i++)
		printf("%s%llu", i > first ? ", " : "", stamp[i + 1] - stamp[i]);
	printf("], ");
}

/* Warming up takes whole batches, so that the first probe begins one. */
static void do_probe(struct bench *bench, __u32 num_fill, __u32 num, __u32 batch)
{
	const struct burst burst = { .warm = NUM_WARM, .first = MAX_FILL, .num = num, .stamped = 1 };
	const __u64 *stamp = bench->stamp;
	__u32 end = NUM_WARM + num;

	burst_send(bench, &burst, batch);
	printf("{\"answers\": %u, \"lost\": %u, ", bench->skel->bss->burst.answers,
	       NUM_WARM + 1 - bench->skel->bss->burst.arrived);
	printf("\"passed\": %u, ", learned_count(bench, MAX_FILL, num));
	printf("\"learned\": %u, \"distinct\": %u, ",
	       learned_count(bench, 0, num_fill) + learned_count(bench, MAX_FILL, num),
	       learned_distinct(bench, num_fill));
	if (batch == 1) {
		/* the first half finds everything cold */
		print_numbers("known_ns", stamp, NUM_WARM / 2, NUM_WARM);
		print_numbers("new_ns", stamp, NUM_WARM, end);
	}
	printf("\"ns\": %llu}\n", stamp[end] - stamp[NUM_WARM]);
}

static void command_do(struct bench *bench, const char *line)
{
	__u32 first, last, seed, num, num_fill, batch;

	if (sscanf(line, "flows %u %u %u", &first, &last, &seed) == 3) {
		do_flows(bench, first, last, seed);
	} else if (sscanf(line, "fill %u", &num) == 1) {
		if (num < 1 || num > bench->num_flows)
			side_die("\"%s\": 1 to %u flows, once there are flows", line, bench->num_flows);
		do_fill(bench, num);
	} else if (sscanf(line, "probe %u %u %u", &num_fill, &num, &batch) == 3) {
		if (num < 1 || num > MAX_PROBE || num_fill > bench->num_flows || batch < 1 || NUM_WARM % batch ||
		    num % batch)
			side_die("\"%s\": whole batches, up to %u probes", line, MAX_PROBE);
		do_probe(bench, num_fill, num, batch);
	} else {
		side_die("cannot understand \"%s\": flows, fill or probe, as burst.c says", line);
	}
	fflush(stdout);
}

/* ---- start ----------------------------------------------------------------------------------------------------- */

static void *map_open(const struct bpf_map *map, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		side_die("cannot map %s: %s", bpf_map__name(map), strerror(errno));
	return memory;
}

static void bench_open(char **argument, struct bench *ret_bench)
{
	struct side inside = { 0 }, outside = { 0 };
	struct burst_bench *skel = burst_bench__open();

	if (!skel)
		side_die("cannot open the BPF programs: %s", strerror(errno));
	ret_bench->skel = skel;
	ret_bench->cpu = atoi(argument[0]);
	side_open(argument + 4, &ret_bench->outside, &outside);
	side_open(argument + 1, &ret_bench->inside, &inside);
	memcpy((void *)&skel->rodata->inside, &inside, sizeof(inside));
	if (burst_bench__load(skel))
		side_die("cannot load the BPF programs: %s", strerror(errno));
	skel->links.sink_outside = side_attach(&ret_bench->outside, skel->progs.sink_outside, outside.ifindex);
	skel->links.sink_inside = side_attach(&ret_bench->inside, skel->progs.sink_inside, inside.ifindex);
	ret_bench->flow = map_open(skel->maps.flows, MAX_FLOW * sizeof(struct flow));
	ret_bench->learned = map_open(skel->maps.learned, MAX_FLOW * sizeof(struct learned));
	ret_bench->stamp = map_open(skel->maps.stamps, MAX_STAMP * sizeof(__u64));
	side_bind_cpu(ret_bench->cpu);
}

int main(int argc, char **argv)
{
	struct bench bench = { 0 };
	char line[256];

	if (argc != 8) {
		fputs("usage: burst CPU INSIDE-NAMESPACE DEVICE NEXT-HOP-MAC OUTSIDE-NAMESPACE DEVICE NEXT-HOP-MAC\n",
		      stderr);
		return 2;
	}
	bench_open(argv + 1, &bench);
	puts("{\"ready\": true}");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		command_do(&bench, line);
	}
	burst_bench__destroy(bench.skel);
	return 0;
}
