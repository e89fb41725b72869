/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compare-and-exchange, exchange and the fetching operations work on map values of 32 and 64 bits, against user space
 * too.
 */
#include <linux/pkt_cls.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hook.h"
#include "kernel/atomic.skel.h"
#include "tap.h"

enum { NUM_ROUNDS = 20000 };

struct value {
	uint64_t wide;
	uint32_t narrow;
	uint32_t neighbour;
	uint64_t counter;
};

static void *count_in_user_space(void *argument)
{
	struct value *value = argument;

	for (int i = 0; i < NUM_ROUNDS; i++)
		__atomic_fetch_add(&value->counter, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void count_on_both_sides(struct atomic *bpf, struct value *value)
{
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet), .repeat = NUM_ROUNDS);
	pthread_t thread;

	if (pthread_create(&thread, NULL, count_in_user_space, value))
		tap_die("cannot start a thread");
	if (bpf_prog_test_run_opts(bpf_program__fd(bpf->progs.count), &opts))
		tap_die("cannot run the program");
	pthread_join(thread, NULL);
	tap_equal(value->counter, 2 * NUM_ROUNDS, "no count is lost between a program and a thread that count at once");
}

int main(void)
{
	struct atomic *bpf = atomic__open_and_load();
	const uint64_t was[] = { 1, 2, 2, 0xf0, 0xff, 0x3c };
	struct value *value;

	if (!bpf)
		tap_die("cannot load the programs");
	value = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(bpf->maps.table), 0);
	if (value == MAP_FAILED)
		tap_die("cannot map the table");
	value->wide = 1;
	value->narrow = 1;
	value->neighbour = 7;
	tap_equal(hook_run_once(bpf->progs.operate), TC_ACT_OK, "the operations are accepted");
	for (int i = 0; i < 6; i++) {
		tap_equal(bpf->bss->was64[i], was[i], "64 bits: operation %d gives back what was there", i);
		tap_equal(bpf->bss->was32[i], was[i], "32 bits: operation %d gives back what was there", i);
	}
	tap_equal(value->wide, 0x3c + (1LL << 40), "64 bits: the outcome");
	tap_equal(value->narrow, 0x3b, "32 bits: the outcome");
	tap_equal(value->neighbour, 7, "32 bits: the word beside it is untouched");
	count_on_both_sides(bpf, value);
	atomic__destroy(bpf);
	return tap_finish();
}
