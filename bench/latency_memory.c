// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long this machine takes to read a word that nobody could foretell the place of: loads that each need the one before, over
 * memory of growing size, in small pages and in huge ones. It is the floor below anything that looks a session up: a table's
 * pages are small ones, and a session is a cache line somewhere in it.
 *
 *   latency_memory [CPU]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/types.h>

#include "side.h"

#define LINE 64
#define HUGE_PAGE (2UL << 20)
#define NUM_LOADS (1UL << 20)
#define NUM_ROUNDS 3

/* One in each cache line; together a ring that visits all lines in random order. */
struct line {
	struct line *next;
	char unused[LINE - sizeof(struct line *)];
};

static __u64 random_next(void)
{
	static __u64 x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static struct line *memory_open(size_t size, int advice)
{
	size_t room = size + HUGE_PAGE;
	char *start = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED)
		side_die("no memory of %zu bytes: %s", room, strerror(errno));
	if (madvise(start, room, advice))
		side_die("cannot choose the size of pages: %s", strerror(errno));
	return (void *)(((unsigned long)start + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
}

/* Sattolo's shuffle: one ring, not several. */
static void ring_make(struct line *lines, size_t num)
{
	for (size_t i = 0; i < num; i++)
		lines[i].next = &lines[i];
	for (size_t i = num - 1; i > 0; i--) {
		size_t other = random_next() % i;
		struct line *next = lines[i].next;

		lines[i].next = lines[other].next;
		lines[other].next = next;
	}
}

static double clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

/* The least of the rounds: what is more is somebody else's. */
static double ring_measure(struct line *line, size_t num)
{
	double least = 0;

	for (size_t i = 0; i < num; i++)
		line = line->next;
	for (int round = 0; round < NUM_ROUNDS; round++) {
		double from = clock_ns(), ns;

		for (size_t i = 0; i < NUM_LOADS; i++) {
			line = line->next;
			__asm__ volatile("" : "+r"(line)); /* each is really loaded */
		}
		ns = (clock_ns() - from) / NUM_LOADS;
		if (!round || ns < least)
			least = ns;
	}
	return least;
}

static double measure(size_t size, int advice)
{
	struct line *lines = memory_open(size, advice);
	size_t num = size / LINE;
	double ns;

	ring_make(lines, num);
	ns = ring_measure(lines, num);
	munmap(lines, size); /* what alignment left over goes with the process */
	return ns;
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 16UL << 10, 32UL << 10, 256UL << 10, 512UL << 10, 4UL << 20,
					16UL << 20, 96UL << 20, 384UL << 20, 1536UL << 20 };

	if (argc > 2) {
		fputs("usage: latency_memory [CPU]\n", stderr);
		return 2;
	}
	if (argc == 2)
		side_bind_cpu(atoi(argv[1]));
	puts("    memory  ns, 4 kB pages  ns, 2 MB pages");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		printf("%7zu kB  %14.1f  %14.1f\n", sizes[i] >> 10, measure(sizes[i], MADV_NOHUGEPAGE),
		       measure(sizes[i], MADV_HUGEPAGE));
	return 0;
}
