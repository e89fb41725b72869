/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A mmapable array map begins on a page, so that no 128-byte element straddles a cache line; and both sides see each
 * other's writes.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/array_mmap.skel.h"
#include "tap.h"

enum { NUM_VALUES = 1024, WORDS = 16, VALUE_SIZE = WORDS * sizeof(uint64_t) };

static uint64_t address_of(struct array_mmap *bpf, uint32_t key)
{
	bpf->bss->key = key;
	hook_run_once(bpf->progs.touch);
	return bpf->bss->address;
}

int main(void)
{
	struct array_mmap *bpf = array_mmap__open_and_load();
	uint64_t(*values)[WORDS], first;
	int fd;

	if (!bpf)
		tap_die("cannot load the program");
	fd = bpf_map__fd(bpf->maps.mapped);
	values = mmap(NULL, NUM_VALUES * VALUE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (values == MAP_FAILED)
		tap_die("cannot map the array");

	first = address_of(bpf, 0);
	tap_equal(first % sysconf(_SC_PAGESIZE), 0, "the first element begins on a page");
	tap_equal(address_of(bpf, NUM_VALUES - 1), first + (NUM_VALUES - 1) * VALUE_SIZE, "elements lie without gaps");
	tap_note("a plain array begins %d bytes into a cache line", (int)(bpf->bss->plain_address % 64));

	values[5][0] = 4711;
	address_of(bpf, 5);
	tap_equal(bpf->bss->found, 4711, "the program sees what user space wrote");
	tap_equal(values[5][1], 4712, "user space sees what the program wrote");
	tap_ok(mmap(NULL, NUM_VALUES * VALUE_SIZE, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED,
	       "it can be mapped again, to read");
	tap_ok(mmap(NULL, NUM_VALUES * VALUE_SIZE, PROT_READ, MAP_SHARED, bpf_map__fd(bpf->maps.plain), 0) ==
		       MAP_FAILED,
	       "a plain array cannot be mapped");
	array_mmap__destroy(bpf);
	return tap_finish();
}
