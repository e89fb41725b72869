/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sends packets of the same sessions on several CPUs at once through a gateway, and says what became of them: commands on
 * stdin, one JSON object a line on stdout.
 *
 *   plan MODE WINDOW NARROW REVISIT PACKETS REPLIES EXPECTED-MS FRAGMENTS
 *                                 what the next runs send: struct churn_plan; MODE: steady, keep, all; of what comes out
 *                                 one in REPLIES is answered, a power of two, or nothing (0)
 *   run CPU,... DIRECTION MSEC    a generator for each CPU and direction (outbound, inbound or both), for so long
 *   counts                        what has been counted so far
 *   table                         what the gateway's table holds
 *
 * The gateway's devices have a queue for each CPU, so what a CPU sends goes all the way on that CPU, in the thread of its
 * generator or in its ksoftirqd (traffic.c says more). So the CPU time of a run is that of both.
 */
#include "churn.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "daemon/tcx.h"
#include "instance.h"
#include "side.h"
#include "softirqd.h"
#include "table.h"

#include "bench/churn.skel.h"

#define ENDLESS_FRAMES (1U << 28)
#define MAX_CPUS 1024
#define WARM_NS 50000000L
#define POLL_NS 1000000L
#define DRAIN_POLLS 2000
#define DRAIN_STILL 20 /* polls without a change */

/* Since 6.6; Debian 12's headers are older. */
#define ATTACH_BEFORE (1U << 3)
#define ATTACH_AFTER (1U << 4)

static const char *const count_name[NUM_CHURN_COUNT] = {
	[CHURN_OUTSIDE] = "outside",
	[CHURN_INSIDE] = "inside",
	[CHURN_REPLIED] = "replied",
	[CHURN_KEPT] = "kept",
	[CHURN_LATE] = "late",
	[CHURN_LOST] = "lost",
	[CHURN_ASTRAY] = "astray",
	[CHURN_WRONG] = "wrong",
	[CHURN_STRAY] = "stray",
	[CHURN_TO_EGRESS] = "to_egress",
	[CHURN_FROM_EGRESS] = "from_egress",
	[CHURN_TO_INGRESS] = "to_ingress",
	[CHURN_FROM_INGRESS] = "from_ingress",
	[CHURN_UP] = "up",
};

struct churner {
	struct churn *skel;
	struct namespace inside;
	struct namespace outside;
	struct namespace gateway;
	const char *external_device;
};

/* A generator at work. */
struct worker {
	const struct churner *churner;
	int cpu;
	bool inbound;
	pthread_t thread;
	clockid_t clock;
	int softirqd; /* softirqd.h; -1 also if another worker has that CPU too */
};

struct clocks {
	__u64 wall_ns;
	__u64 thread_ns;
	__u64 softirqd_ns;
	__u64 count[NUM_CHURN_COUNT];
};

/* ---- reading --------------------------------------------------------------------------------------------------- */

static void pause_ns(long nanoseconds)
{
	const struct timespec pause = { nanoseconds / 1000000000, nanoseconds % 1000000000 };

	nanosleep(&pause, NULL);
}

static __u64 clock_read(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void counts_read(const struct churner *churner, __u64 ret_count[NUM_CHURN_COUNT])
{
	__u64 per_cpu[MAX_CPUS];

	for (__u32 what = 0; what < NUM_CHURN_COUNT; what++) {
		if (bpf_map_lookup_elem(bpf_map__fd(churner->skel->maps.counts), &what, per_cpu))
			side_die("cannot read the counters: %s", strerror(errno));
		ret_count[what] = 0;
		for (int i = 0; i < libbpf_num_possible_cpus(); i++)
			ret_count[what] += per_cpu[i];
	}
}

static void clocks_read(const struct worker *workers, int num, struct clocks *ret_clocks)
{
	*ret_clocks = (struct clocks){ .wall_ns = clock_read(CLOCK_MONOTONIC) };
	for (int i = 0; i < num; i++) {
		ret_clocks->thread_ns += clock_read(workers[i].clock);
		ret_clocks->softirqd_ns += softirqd_read(workers[i].softirqd);
	}
	counts_read(workers->churner, ret_clocks->count);
}

static void print_counts(const __u64 count[NUM_CHURN_COUNT])
{
	printf("\"counts\": {");
	for (int what = 0; what < NUM_CHURN_COUNT; what++)
		printf("%s\"%s\": %llu", what ? ", " : "", count_name[what], count[what]);
	printf("}");
}

/* ---- sending --------------------------------------------------------------------------------------------------- */

static void *work(void *argument)
{
	const struct worker *worker = argument;
	const struct churner *churner = worker->churner;
	struct frame frame = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_size_in = sizeof(frame),
		    .repeat = ENDLESS_FRAMES, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	const struct bpf_program *program =
		worker->inbound ? churner->skel->progs.generate_inbound : churner->skel->progs.generate_outbound;
	int error;

	side_bind_cpu(worker->cpu);
	side_enter(worker->inbound ? &churner->outside : &churner->inside);
	error = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
	if (error && error != -EINTR)
		side_die("cannot run the generator with live frames: %s", strerror(-error));
	return NULL;
}

static __u64 sent_by(const struct worker *worker)
{
	const struct churn_generator *generator =
		&worker->churner->skel->bss->generator[worker->cpu * 2 + worker->inbound];

	return __atomic_load_n(&generator->sent, __ATOMIC_RELAXED);
}

static bool worker_has_cpu_before(const struct worker *workers, int num, int cpu)
{
	for (int i = 0; i < num; i++)
		if (workers[i].cpu == cpu)
			return true;
	return false;
}

static void worker_start(const struct churner *churner, struct worker *workers, int num, int cpu, bool inbound)
{
	struct worker *worker = &workers[num];

	worker->churner = churner;
	worker->cpu = cpu;
	worker->inbound = inbound;
	worker->softirqd = worker_has_cpu_before(workers, num, cpu) ? -1 : softirqd_open(cpu);
	churner->skel->bss->generator[cpu * 2 + inbound].sent = 0;
	if (pthread_create(&worker->thread, NULL, work, worker) ||
	    pthread_getcpuclockid(worker->thread, &worker->clock))
		side_die("cannot start a generator's thread");
}

/* Waits until nothing is counted any more: what was sent has arrived, or is lost. */
static void drain(const struct churner *churner)
{
	__u64 before[NUM_CHURN_COUNT], now[NUM_CHURN_COUNT];
	int still = 0;

	counts_read(churner, before);
	for (int i = 0; i < DRAIN_POLLS && still < DRAIN_STILL; i++) {
		pause_ns(POLL_NS);
		counts_read(churner, now);
		still = memcmp(before, now, sizeof(now)) ? 0 : still + 1;
		memcpy(before, now, sizeof(now));
	}
}

static void print_run(const struct worker *workers, int num, const struct clocks *from, const struct clocks *to)
{
	__u64 between[NUM_CHURN_COUNT], sent = 0;

	for (int what = 0; what < NUM_CHURN_COUNT; what++)
		between[what] = to->count[what] - from->count[what];
	for (int i = 0; i < num; i++)
		sent += sent_by(&workers[i]);
	printf("{\"sent\": %llu, \"wall_ns\": %llu, \"thread_ns\": %llu, \"softirqd_ns\": %llu, ", sent,
	       to->wall_ns - from->wall_ns, to->thread_ns - from->thread_ns, to->softirqd_ns - from->softirqd_ns);
	print_counts(between);
	puts("}");
}

static void do_run(const struct churner *churner, char *cpus, const char *direction, unsigned int msec)
{
	bool outbound = strcmp(direction, "inbound") != 0, inbound = strcmp(direction, "outbound") != 0;
	struct worker workers[MAX_GENERATOR];
	struct clocks from, to;
	char *rest = NULL;
	int num = 0;

	for (char *word = strtok_r(cpus, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		int cpu = atoi(word);

		if (cpu < 0 || cpu * 2 + 1 >= MAX_GENERATOR)
			side_die("CPU %d: at most %d", cpu, MAX_GENERATOR / 2 - 1);
		if (outbound)
			worker_start(churner, workers, num++, cpu, false);
		if (inbound)
			worker_start(churner, workers, num++, cpu, true);
	}
	if (!num)
		side_die("no CPU to send on");
	for (int i = 0; i < num; i++)
		while (!sent_by(&workers[i]))
			pause_ns(POLL_NS);
	pause_ns(WARM_NS);
	clocks_read(workers, num, &from);
	pause_ns(msec * 1000000L);
	clocks_read(workers, num, &to);
	for (int i = 0; i < num; i++) {
		/* a signal that comes before the test run has begun ends nothing */
		while (pthread_tryjoin_np(workers[i].thread, NULL) == EBUSY) {
			pthread_kill(workers[i].thread, SIGUSR1);
			pause_ns(POLL_NS);
		}
		if (workers[i].softirqd >= 0)
			close(workers[i].softirqd);
	}
	drain(churner);
	print_run(workers, num, &from, &to);
}

static void do_plan(const struct churner *churner, const char *mode, const unsigned int number[7])
{
	struct churn_plan *plan = &churner->skel->bss->plan;

	plan->mode = !strcmp(mode, "steady") ? CHURN_STEADY : !strcmp(mode, "keep") ? CHURN_KEEP : CHURN_ALL;
	plan->window = number[0];
	plan->narrow = number[1];
	plan->revisit = number[2];
	plan->packets = number[3] ? number[3] : 1;
	plan->reply_mask = number[4] - 1;
	plan->fragments = number[6];
	plan->expected_ns = number[5] * 1000000ULL;
	puts("{}");
}

static void do_counts(const struct churner *churner)
{
	__u64 count[NUM_CHURN_COUNT];

	counts_read(churner, count);
	printf("{");
	print_counts(count);
	puts("}");
}

/* ---- the table ------------------------------------------------------------------------------------------------- */

static __u64 count_bits(const __u64 *word, size_t num)
{
	__u64 bits = 0;

	for (size_t i = 0; i < num; i++)
		bits += __builtin_popcountll(word[i]);
	return bits;
}

/* Words of the store that are not 0. */
static __u64 count_words(const struct table *table)
{
	const __u64 *word = (const void *)table->bucket;
	__u64 num = 0;

	for (size_t i = 0; i < table->area[AREA_STORE].bytes / sizeof(*word); i++)
		num += word[i] != 0;
	return num;
}

static __u64 count_quotas(int fd)
{
	__be32 key, *before = NULL;
	__u64 num = 0;

	while (fd >= 0 && !bpf_map_get_next_key(fd, before, &key)) {
		before = &key;
		num++;
	}
	return num;
}

/* What xdp has counted; all 0 where there is no fast path. */
static void fast_read(const struct instance *instance, __u64 ret_count[NUM_FAST_REASON])
{
	__u64 per_cpu[MAX_CPUS];
	char path[PIN_PATH];
	int fd = bpf_obj_get(instance_pin(instance, "fast_counters", path));

	memset(ret_count, 0, NUM_FAST_REASON * sizeof(*ret_count));
	if (fd < 0)
		return;
	for (__u32 reason = 0; reason < NUM_FAST_REASON; reason++) {
		if (bpf_map_lookup_elem(fd, &reason, per_cpu))
			side_die("cannot read the counters of the fast path: %s", strerror(errno));
		for (int i = 0; i < libbpf_num_possible_cpus(); i++)
			ret_count[reason] += per_cpu[i];
	}
	close(fd);
}

static void print_fast(const struct instance *instance)
{
	__u64 count[NUM_FAST_REASON], up = 0;

	fast_read(instance, count);
	for (int reason = FAST_UP_LINK; reason < FAST_LOST; reason++)
		up += count[reason];
	printf("\"fast\": {\"sent\": %llu, \"created\": %llu, \"dropped\": %llu, \"up\": %llu, \"unwatched\": %llu, ",
	       count[FAST_OUTBOUND] + count[FAST_INBOUND], count[FAST_CREATED], count[FAST_REFUSED], up,
	       count[FAST_UP_UNWATCHED]);
	printf("\"lost\": %llu}", count[FAST_LOST]);
}

static void do_table(const struct churner *churner)
{
	__u64 ports = 0, crowded = 0;
	struct instance instance;
	struct table table = { 0 };
	struct fault fault;

	side_enter(&churner->gateway);
	if (instance_mount(&fault) || instance_find(churner->external_device, &instance, &fault) ||
	    table_open(&instance, TABLE_READ, &table, &fault))
		side_die("%s", fault.text);
	for (__u32 i = 0; i < table.area[AREA_POOLS].num; i++)
		ports += count_bits(table.pool[i].used, PORT_WORDS);
	for (__u32 i = 0; i < table.area[AREA_CROWDS].num; i++)
		if (table.crowd[i].key.state == CROWD_VALID && table.crowd[i].key.generation == table.config.generation)
			crowded += count_bits(table.crowd[i].taken, PORT_WORDS);
	printf("{\"words\": %llu, \"sessions\": %llu, \"mappings\": %llu, \"permits\": %llu, \"stashed\": %u, ",
	       count_words(&table), table.header->num_sessions, table.header->num_mappings, table.header->num_permits,
	       table.header->num_stashed);
	printf("\"returned\": %llu, ", table.header->num_returned[0]);
	printf("\"created\": %llu, \"ports\": %llu, \"crowds\": %u, \"crowded\": %llu, \"quotas\": %llu, ",
	       table.header->num_created, ports, table.header->num_crowds, crowded, count_quotas(table.quotas_fd));
	print_fast(&instance);
	puts("}");
	table_close(&table);
}

/* ---- commands -------------------------------------------------------------------------------------------------- */

static void command_do(const struct churner *churner, const char *line)
{
	char word[64], direction[16];
	unsigned int number[7];

	if (sscanf(line, "plan %15s %u %u %u %u %u %u %u", word, &number[0], &number[1], &number[2], &number[3],
		   &number[4], &number[5], &number[6]) == 8)
		do_plan(churner, word, number);
	else if (sscanf(line, "run %63s %15s %u", word, direction, &number[0]) == 3)
		do_run(churner, word, direction, number[0]);
	else if (!strcmp(line, "counts"))
		do_counts(churner);
	else if (!strcmp(line, "table"))
		do_table(churner);
	else
		side_die("cannot understand \"%s\": plan, run, counts or table, as churn.c says", line);
	fflush(stdout);
}

/* ---- start ----------------------------------------------------------------------------------------------------- */

static void attach(const struct bpf_program *program, __u32 ifindex, enum tcx_hook hook, unsigned int flags)
{
	if (bpf_prog_attach(bpf_program__fd(program), ifindex, (enum bpf_attach_type)hook, flags))
		side_die("cannot attach %s (needs tcx, Linux 6.6): %s", bpf_program__name(program), strerror(errno));
}

/* What counts around bauta's programs, which are there already. */
static void attach_counters(struct churner *churner, char **argument)
{
	struct side internal = { 0 }, external = { 0 };
	char *internal_side[] = { argument[0], argument[1], "0:0:0:0:0:0" };
	char *external_side[] = { argument[0], argument[2], "0:0:0:0:0:0" };
	struct churn *skel = churner->skel;

	side_open(internal_side, &churner->gateway, &internal);
	side_open(external_side, &churner->gateway, &external);
	churner->external_device = argument[2];
	attach(skel->progs.to_egress, external.ifindex, TCX_EGRESS, ATTACH_BEFORE);
	attach(skel->progs.from_egress, external.ifindex, TCX_EGRESS, ATTACH_AFTER);
	attach(skel->progs.to_ingress, external.ifindex, TCX_INGRESS, ATTACH_BEFORE);
	attach(skel->progs.from_ingress, external.ifindex, TCX_INGRESS, ATTACH_AFTER);
	attach(skel->progs.up_inside, internal.ifindex, TCX_INGRESS, ATTACH_BEFORE);
}

static void churner_open(int num, char **argument, struct churner *ret_churner)
{
	struct side inside = { 0 }, outside = { 0 };
	struct churn *skel = churn__open();

	if (!skel)
		side_die("cannot open the BPF programs: %s", strerror(errno));
	ret_churner->skel = skel;
	side_open(argument, &ret_churner->inside, &inside);
	side_open(argument + 3, &ret_churner->outside, &outside);
	memcpy((void *)&skel->rodata->inside, &inside, sizeof(inside));
	memcpy((void *)&skel->rodata->outside, &outside, sizeof(outside));
	for (int i = 0; i < MAX_GENERATOR; i++)
		skel->bss->generator[i].random = 0x9e3779b97f4a7c15 * (i + 1);
	if (churn__load(skel))
		side_die("cannot load the BPF programs: %s", strerror(errno));
	skel->links.sink_inside = side_attach(&ret_churner->inside, skel->progs.sink_inside, inside.ifindex);
	skel->links.sink_outside = side_attach(&ret_churner->outside, skel->progs.sink_outside, outside.ifindex);
	if (num > 6)
		attach_counters(ret_churner, argument + 6);
}

static void signal_ignore(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	struct churner churner = { 0 };
	char line[256];

	if (argc != 7 && argc != 10) {
		fputs("usage: churn INSIDE-NAMESPACE DEVICE NEXT-HOP-MAC OUTSIDE-NAMESPACE DEVICE NEXT-HOP-MAC\n"
		      "             [GATEWAY-NAMESPACE INTERNAL-DEVICE EXTERNAL-DEVICE]\n",
		      stderr);
		return 2;
	}
	if (libbpf_num_possible_cpus() > MAX_CPUS)
		side_die("%d possible CPUs: at most %d", libbpf_num_possible_cpus(), MAX_CPUS);
	/* Without SA_RESTART: the signal is there to end a system call. */
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = signal_ignore }, NULL);
	churner_open(argc - 1, argv + 1, &churner);
	puts("{\"ready\": true}");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		command_do(&churner, line);
	}
	churn__destroy(churner.skel);
	return 0;
}
