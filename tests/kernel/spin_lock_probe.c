/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tc program may hold a lock that stands in another map than what it guards, but may call nothing meanwhile, not
 * even a look-up.
 */
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/spin_lock.skel.h"
#include "tap.h"

/* Does the verifier take this one of the programs that are not loaded by themselves? */
static bool loads(const char *name)
{
	struct spin_lock *bpf = spin_lock__open();
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	bool loaded;

	if (!bpf)
		tap_die("cannot open the programs");
	bpf_program__set_autoload(bpf_object__find_program_by_name(bpf->obj, name), true);
	loaded = spin_lock__load(bpf) == 0;
	libbpf_set_print(print);
	spin_lock__destroy(bpf);
	return loaded;
}

int main(void)
{
	struct spin_lock *bpf = spin_lock__open_and_load();
	uint64_t *table;

	if (!bpf)
		tap_die("cannot load the programs");
	table = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, bpf_map__fd(bpf->maps.table), 0);
	if (table == MAP_FAILED)
		tap_die("cannot map the table");
	for (int i = 0; i < 20; i++)
		hook_run_once(bpf->progs.plain_work);
	tap_equal(table[1], 10, "a tc program works on one map under a lock in another");
	tap_equal(hook_run_once(bpf->progs.lock_in_loop), TC_ACT_OK, "the function of a bpf_loop may take a lock");
	tap_equal(table[63], 1, "in every round");
	tap_ok(mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, bpf_map__fd(bpf->maps.mapped_locks), 0) ==
		       MAP_FAILED,
	       "a map with locks cannot be mapped");
	spin_lock__destroy(bpf);

	tap_ok(!loads("call_a_helper"), "no helper may be called under a lock");
	tap_ok(!loads("look_up"), "nor an element looked up");
	tap_ok(!loads("second_lock"), "nor a second lock taken");
	tap_note("a program of type syscall may take a lock: %s", loads("in_syscall") ? "yes" : "no");
	return tap_finish();
}
