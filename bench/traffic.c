// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Drives the generator and the sinks of one set of namespaces: commands on stdin, one JSON object a line on stdout.
 *
 *   create SESSIONS                        every session once, outbound; the sink learns their external endpoints
 *   visit DIRECTION SESSIONS BYTES         every session once
 *   run DIRECTION SESSIONS BYTES MSEC      sessions in random order, frames of so many bytes, for so long
 *   capture DIRECTION SESSIONS BYTES FILE  a few thousand frames in random order; those that reach the sink go to FILE (pcap)
 *
 * The whole path runs on one CPU: the test run redirects a batch into the veth, and the softirq that takes it through the
 * gateway and into the sink runs as the test run enables softirqs again, in the generator's thread. What does not fit
 * there is done by that CPU's ksoftirqd. So the CPU time of a run is the thread's plus ksoftirqd's (and, on kernels that
 * keep softirq time apart, the CPU's softirq time, which is why that is reported too).
 *
 * A test run takes milliseconds to begin and end (page pool, dispatcher, grace periods). So a measurement is one test run,
 * and its clocks are read from outside, on another CPU, while it is in full swing; then it is ended by a signal.
 */
#include "traffic.h"

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

#include "side.h"
#include "softirqd.h"

#include "bench/traffic.skel.h"

/* More than any measurement sends: the signal ends it. Without one it would end by itself, in a minute or two. */
#define ENDLESS_FRAMES (1U << 28)
/* Twice what is captured: some may be lost on their way. */
#define CAPTURE_SENT (2 * CAPTURE_FRAMES)
#define DRAIN_TRIES 200
/* From the start of a test run to the first clock reading. */
#define WARM_NS 50000000
#define POLL_NS 50000
#define CREATE_LIMIT_NS 120000000000ULL
#define MAX_CPUS 1024

struct bench {
	struct traffic *skel;
	struct namespace inside;
	struct namespace outside;
	__be16 *learned; /* an external port for each session */
	int cpu;
	int softirqd; /* softirqd.h */
};

/* One test run and the thread that makes it. */
struct run {
	const struct bench *bench;
	const struct namespace *namespace;
	const struct bpf_program *program;
	__u32 num_frames;
	pthread_t thread;
	clockid_t clock;
};

/* Clocks at one moment; two of them make a measurement. */
struct clocks {
	__u64 wall_ns;
	__u64 thread_ns;
	__u64 softirqd_ns;
	__u64 softirq_ticks;
	__u64 idle_ticks;
	__u64 steal_ticks;
	__u64 delivered;
	__u64 stray;
};

/* ---- reading clocks -------------------------------------------------------------------------------------------- */

static __u64 clock_read(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void ticks_read(int cpu, struct clocks *ret_clocks)
{
	char line[256], wanted[16];
	FILE *stat = fopen("/proc/stat", "r");
	unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
	bool found = false;

	snprintf(wanted, sizeof(wanted), "cpu%d ", cpu);
	while (stat && !found && fgets(line, sizeof(line), stat)) {
		if (strncmp(line, wanted, strlen(wanted)) != 0)
			continue;
		found = sscanf(line, "%*s %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
			       &iowait, &irq, &softirq, &steal) == 8;
	}
	if (stat)
		fclose(stat);
	if (!found)
		side_die("/proc/stat has no line for CPU %d", cpu);
	ret_clocks->softirq_ticks = softirq + irq;
	ret_clocks->idle_ticks = idle + iowait;
	ret_clocks->steal_ticks = steal;
}

static __u64 count_read(const struct bench *bench, __u32 which)
{
	__u64 per_cpu[MAX_CPUS], sum = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(bench->skel->maps.counts), &which, per_cpu))
		side_die("cannot read the sink's counters: %s", strerror(errno));
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += per_cpu[i];
	return sum;
}

static void clocks_read(const struct run *run, struct clocks *ret_clocks)
{
	const struct bench *bench = run->bench;

	ret_clocks->thread_ns = clock_read(run->clock);
	ret_clocks->wall_ns = clock_read(CLOCK_MONOTONIC);
	ret_clocks->delivered = count_read(bench, SINK_DELIVERED);
	ret_clocks->stray = count_read(bench, SINK_STRAY);
	ret_clocks->softirqd_ns = softirqd_read(bench->softirqd);
	ticks_read(bench->cpu, ret_clocks);
}

static void print_difference(const struct clocks *from, const struct clocks *to)
{
	printf("\"packets\": %llu, \"stray\": %llu, ", to->delivered - from->delivered, to->stray - from->stray);
	printf("\"wall_ns\": %llu, \"thread_ns\": %llu, \"softirqd_ns\": %llu, ", to->wall_ns - from->wall_ns,
	       to->thread_ns - from->thread_ns, to->softirqd_ns - from->softirqd_ns);
	printf("\"softirq_ticks\": %llu, \"idle_ticks\": %llu, \"steal_ticks\": %llu",
	       to->softirq_ticks - from->softirq_ticks, to->idle_ticks - from->idle_ticks,
	       to->steal_ticks - from->steal_ticks);
}

/* ---- sending --------------------------------------------------------------------------------------------------- */

static void pause_ns(long nanoseconds)
{
	const struct timespec pause = { nanoseconds / 1000000000, nanoseconds % 1000000000 };

	nanosleep(&pause, NULL);
}

static __u32 remotes_of(__u32 num_sessions)
{
	if (num_sessions <= USUAL_REMOTES)
		return num_sessions;
	return num_sessions / MAX_ENDPOINTS > USUAL_REMOTES ? num_sessions / MAX_ENDPOINTS : USUAL_REMOTES;
}

static void generator_set(const struct bench *bench, __u32 num_sessions, __u32 frame_bytes, enum order order)
{
	struct generator *generator = &bench->skel->bss->generator;
	__u32 num_remotes = remotes_of(num_sessions);

	generator->order = order;
	generator->frame_bytes = frame_bytes;
	generator->sent = 0;
	generator->next = 0;
	generator->session_mask = num_sessions - 1;
	generator->remote_mask = num_remotes - 1;
	generator->remote_shift = __builtin_ctz(num_remotes);
}

static void *run_thread(void *argument)
{
	const struct run *run = argument;
	__u8 frame[MAX_FRAME] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame,
		    .data_size_in = run->bench->skel->bss->generator.frame_bytes, .repeat = run->num_frames,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int error;

	side_bind_cpu(run->bench->cpu);
	side_enter(run->namespace);
	error = bpf_prog_test_run_opts(bpf_program__fd(run->program), &options);
	if (error && error != -EINTR)
		side_die("cannot run the generator with live frames: %s", strerror(-error));
	return NULL;
}

static void run_start(const struct bench *bench, const char *direction, __u32 num_frames, struct run *ret_run)
{
	ret_run->bench = bench;
	ret_run->num_frames = num_frames;
	if (!strcmp(direction, "outbound")) {
		ret_run->namespace = &bench->inside;
		ret_run->program = bench->skel->progs.generate_outbound;
	} else if (!strcmp(direction, "inbound")) {
		ret_run->namespace = &bench->outside;
		ret_run->program = bench->skel->progs.generate_inbound;
	} else {
		side_die("direction \"%s\": outbound or inbound", direction);
	}
	if (pthread_create(&ret_run->thread, NULL, run_thread, ret_run) ||
	    pthread_getcpuclockid(ret_run->thread, &ret_run->clock))
		side_die("cannot start the generator's thread");
}

/* The test run has ended: waits for what is still in a ring. Returns how many of its frames never arrived. */
static __u64 run_drain(const struct run *run, __u64 delivered_before)
{
	const struct generator *generator = &run->bench->skel->bss->generator;
	__u64 delivered = 0;

	for (int i = 0; i < DRAIN_TRIES; i++) {
		delivered = count_read(run->bench, SINK_DELIVERED) - delivered_before;
		if (delivered >= generator->sent)
			return 0;
		pause_ns(POLL_NS);
	}
	return generator->sent - delivered;
}

/* As run_drain, but first ends a run that would go on. */
static __u64 run_stop(const struct run *run, __u64 delivered_before)
{
	/* A signal that comes before the test run has begun ends nothing: signal until the thread is gone. */
	while (pthread_tryjoin_np(run->thread, NULL) == EBUSY) {
		pthread_kill(run->thread, SIGUSR1);
		pause_ns(20 * POLL_NS);
	}
	return run_drain(run, delivered_before);
}

/* Waits for the first packets and then a while, until the run is in full swing. */
static void run_warm(const struct run *run)
{
	const struct generator *generator = &run->bench->skel->bss->generator;

	while (!__atomic_load_n(&generator->sent, __ATOMIC_RELAXED) && pthread_kill(run->thread, 0) == 0)
		pause_ns(POLL_NS);
	pause_ns(WARM_NS);
}

/* ---- commands -------------------------------------------------------------------------------------------------- */

static __u32 learned_count(const struct bench *bench, __u32 num_sessions)
{
	__u32 num_learned = 0;

	for (__u32 i = 0; i < num_sessions; i++)
		num_learned += bench->learned[i] != 0;
	return num_learned;
}

/* Session 0 goes round and round until the run is in full swing, then all sessions follow, each once. */
static void do_each_once(const struct bench *bench, const char *direction, __u32 num_sessions, __u32 frame_bytes)
{
	struct generator *generator = &bench->skel->bss->generator;
	__u64 before = count_read(bench, SINK_DELIVERED);
	struct clocks from, to;
	struct run run;

	generator_set(bench, num_sessions, frame_bytes, ORDER_FIRST);
	run_start(bench, direction, ENDLESS_FRAMES, &run);
	run_warm(&run);
	clocks_read(&run, &from);
	__atomic_store_n(&generator->order, ORDER_EACH_ONCE, __ATOMIC_RELAXED);
	do
		pause_ns(POLL_NS);
	while (__atomic_load_n(&generator->next, __ATOMIC_RELAXED) < num_sessions &&
	       clock_read(CLOCK_MONOTONIC) - from.wall_ns < CREATE_LIMIT_NS);
	clocks_read(&run, &to);
	printf("{\"lost\": %llu, ", run_stop(&run, before));
	print_difference(&from, &to);
}

static void do_create(const struct bench *bench, __u32 num_sessions)
{
	memset(bench->learned, 0, num_sessions * sizeof(*bench->learned));
	bench->skel->bss->learning = 1;
	do_each_once(bench, "outbound", num_sessions, MIN_FRAME);
	bench->skel->bss->learning = 0;
	printf(", \"learned\": %u}\n", learned_count(bench, num_sessions));
}

static void do_visit(const struct bench *bench, const char *direction, __u32 num_sessions, __u32 frame_bytes)
{
	do_each_once(bench, direction, num_sessions, frame_bytes);
	puts("}");
}

static void do_run(const struct bench *bench, const char *direction, __u32 num_sessions, __u32 frame_bytes, __u32 msec)
{
	__u64 before = count_read(bench, SINK_DELIVERED);
	struct clocks from, to;
	struct run run;

	generator_set(bench, num_sessions, frame_bytes, ORDER_RANDOM);
	run_start(bench, direction, ENDLESS_FRAMES, &run);
	run_warm(&run);
	clocks_read(&run, &from);
	pause_ns(msec * 1000000L);
	clocks_read(&run, &to);
	printf("{\"lost\": %llu, \"sent\": %llu, ", run_stop(&run, before), bench->skel->bss->generator.sent);
	print_difference(&from, &to);
	puts("}");
}

static void pcap_write(const struct bench *bench, const char *path)
{
	const __u32 header[] = { 0xa1b2c3d4, 4 << 16 | 2, 0, 0, sizeof(struct frame), 1 /* Ethernet */ };
	FILE *file = fopen(path, "w");

	if (!file)
		side_die("cannot write %s: %s", path, strerror(errno));
	fwrite(header, sizeof(header), 1, file);
	for (__u32 i = 0; i < bench->skel->bss->captured; i++) {
		const __u32 record[] = { 0, i, sizeof(struct frame), bench->skel->bss->generator.frame_bytes };
		struct frame frame;

		if (bpf_map_lookup_elem(bpf_map__fd(bench->skel->maps.capture), &i, &frame))
			side_die("cannot read captured frame %u: %s", i, strerror(errno));
		fwrite(record, sizeof(record), 1, file);
		fwrite(&frame, sizeof(frame), 1, file);
	}
	if (fclose(file))
		side_die("cannot write %s: %s", path, strerror(errno));
}

static void do_capture(const struct bench *bench, const char *direction, __u32 num_sessions, __u32 frame_bytes,
		       const char *path)
{
	__u64 before = count_read(bench, SINK_DELIVERED);
	struct run run;

	generator_set(bench, num_sessions, frame_bytes, ORDER_RANDOM);
	bench->skel->bss->captured = 0;
	bench->skel->bss->capture_wanted = CAPTURE_FRAMES;
	run_start(bench, direction, CAPTURE_SENT, &run);
	pthread_join(run.thread, NULL);
	printf("{\"lost\": %llu, ", run_drain(&run, before));
	bench->skel->bss->capture_wanted = 0;
	pcap_write(bench, path);
	printf("\"captured\": %u}\n", bench->skel->bss->captured);
}

static void command_do(const struct bench *bench, const char *line)
{
	char direction[16], path[1024];
	__u32 num_sessions, msec, frame_bytes = MIN_FRAME;
	enum { NONE, CREATE, VISIT, RUN, CAPTURE } command = NONE;

	if (sscanf(line, "create %u", &num_sessions) == 1)
		command = CREATE;
	else if (sscanf(line, "visit %15s %u %u", direction, &num_sessions, &frame_bytes) == 3)
		command = VISIT;
	else if (sscanf(line, "run %15s %u %u %u", direction, &num_sessions, &frame_bytes, &msec) == 4)
		command = RUN;
	else if (sscanf(line, "capture %15s %u %u %1023s", direction, &num_sessions, &frame_bytes, path) == 4)
		command = CAPTURE;
	if (command == NONE)
		side_die("cannot understand \"%s\": create, visit, run or capture, as traffic.c says", line);
	if (num_sessions == 0 || num_sessions > MAX_SESSIONS || num_sessions & (num_sessions - 1))
		side_die("%u sessions: a power of two up to %u", num_sessions, MAX_SESSIONS);
	if (frame_bytes < MIN_FRAME || frame_bytes > MAX_FRAME)
		side_die("frames of %u bytes: %u to %u", frame_bytes, MIN_FRAME, MAX_FRAME);

	if (command == CREATE)
		do_create(bench, num_sessions);
	else if (command == VISIT)
		do_visit(bench, direction, num_sessions, frame_bytes);
	else if (command == RUN)
		do_run(bench, direction, num_sessions, frame_bytes, msec);
	else
		do_capture(bench, direction, num_sessions, frame_bytes, path);
	fflush(stdout);
}

/* ---- start ----------------------------------------------------------------------------------------------------- */

static void bench_open(char **argument, struct bench *ret_bench)
{
	struct side inside = { 0 }, outside = { 0 };
	struct traffic *skel = traffic__open();

	if (!skel)
		side_die("cannot open the BPF programs: %s", strerror(errno));
	if (libbpf_num_possible_cpus() > MAX_CPUS)
		side_die("%d possible CPUs: at most %d", libbpf_num_possible_cpus(), MAX_CPUS);
	ret_bench->skel = skel;
	ret_bench->cpu = atoi(argument[0]);
	side_open(argument + 1, &ret_bench->inside, &inside);
	side_open(argument + 4, &ret_bench->outside, &outside);
	memcpy((void *)&skel->rodata->inside, &inside, sizeof(inside));
	memcpy((void *)&skel->rodata->outside, &outside, sizeof(outside));
	skel->bss->generator.random = 0x9e3779b97f4a7c15;
	if (traffic__load(skel))
		side_die("cannot load the BPF programs: %s", strerror(errno));
	skel->links.sink_inside = side_attach(&ret_bench->inside, skel->progs.sink_inside, inside.ifindex);
	skel->links.sink_outside = side_attach(&ret_bench->outside, skel->progs.sink_outside, outside.ifindex);

	ret_bench->learned = mmap(NULL, MAX_SESSIONS * sizeof(*ret_bench->learned), PROT_READ | PROT_WRITE, MAP_SHARED,
				  bpf_map__fd(skel->maps.learned), 0);
	if (ret_bench->learned == MAP_FAILED)
		side_die("cannot map the table of learned endpoints: %s", strerror(errno));
	ret_bench->softirqd = softirqd_open(ret_bench->cpu);
}

static void signal_ignore(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	struct bench bench = { 0 };
	char line[1200];

	if (argc != 8) {
		fputs("usage: traffic CPU INSIDE-NAMESPACE DEVICE NEXT-HOP-MAC OUTSIDE-NAMESPACE DEVICE NEXT-HOP-MAC\n",
		      stderr);
		return 2;
	}
	/* Without SA_RESTART: the signal is there to end a system call. */
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = signal_ignore }, NULL);
	bench_open(argv + 1, &bench);
	puts("{\"ready\": true}");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		command_do(&bench, line);
	}
	traffic__destroy(bench.skel);
	return 0;
}
