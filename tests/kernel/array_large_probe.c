/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A mmapable array of a million 128-byte buckets, room for two million sessions, can be had. */
#include <linux/pkt_cls.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/array_large.skel.h"
#include "net.h"
#include "tap.h"

enum { NUM_BUCKETS = 1 << 20, BUCKET_SIZE = 128 };

/* What a map costs, in bytes, as the kernel says. */
static unsigned long memory_of(int fd)
{
	char path[64], line[128];
	unsigned long bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "memlock: %lu", &bytes);
	if (file)
		fclose(file);
	return bytes;
}

int main(void)
{
	struct array_large *bpf = array_large__open();
	double start = net_milliseconds();
	uint64_t *words;

	if (!bpf)
		tap_die("cannot open the program");
	bpf_map__set_max_entries(bpf->maps.table, NUM_BUCKETS);
	if (array_large__load(bpf))
		tap_die("cannot load the program");
	tap_ok(true, "a million buckets can be had");
	tap_note("after %.0f ms", net_milliseconds() - start);
	/* 6.1 counts keys, too, which an array does not have */
	tap_note("the kernel says that they cost %lu bytes; their size is %d", memory_of(bpf_map__fd(bpf->maps.table)),
		 NUM_BUCKETS * BUCKET_SIZE);

	words = mmap(NULL, (size_t)NUM_BUCKETS * BUCKET_SIZE, PROT_READ, MAP_SHARED, bpf_map__fd(bpf->maps.table), 0);
	if (words == MAP_FAILED)
		tap_die("cannot map the array");
	bpf->bss->key = NUM_BUCKETS - 1;
	tap_equal(hook_run_once(bpf->progs.touch), TC_ACT_OK, "a program reaches the last");
	tap_equal(words[(size_t)(NUM_BUCKETS - 1) * BUCKET_SIZE / sizeof(*words)], 4711, "user space sees it");
	bpf->bss->key = NUM_BUCKETS;
	tap_equal(hook_run_once(bpf->progs.touch), TC_ACT_SHOT, "there is none behind it");
	array_large__destroy(bpf);
	return tap_finish();
}
