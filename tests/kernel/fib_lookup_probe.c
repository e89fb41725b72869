/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf_fib_lookup needs forwarding to be on, and does not resolve a neighbour that is not known: somebody else must. */
#include <linux/bpf.h>
#include <net/if.h>
#include <stdlib.h>

#include "hook.h"
#include "kernel/fib_lookup.skel.h"
#include "net.h"
#include "tap.h"

static struct fib_lookup *bpf;

static int ask(void)
{
	hook_run_once(bpf->progs.ask);
	return bpf->bss->result;
}

int main(void)
{
	net_create();
	bpf = fib_lookup__open_and_load();
	if (!bpf)
		tap_die("cannot load the program");
	bpf->bss->internal = if_nametoindex("int");

	tap_equal(ask(), BPF_FIB_LKUP_RET_NO_NEIGH, "a neighbour that nobody has asked for is not known");
	tap_equal(ask(), BPF_FIB_LKUP_RET_NO_NEIGH, "nor by having been asked for like this");
	tap_ok(system("ip neighbour show dev ext | grep -q .") != 0, "the kernel has not even begun to resolve it");

	net_shell("ip neighbour replace " REMOTE_ADDR " lladdr 02:00:00:00:00:07 dev ext");
	tap_equal(ask(), BPF_FIB_LKUP_RET_SUCCESS, "a neighbour that is known is given");
	tap_ok(bpf->bss->dmac[0] == 2 && bpf->bss->dmac[5] == 7, "with its link address");
	tap_equal(bpf->bss->ifindex, if_nametoindex("ext"), "and the interface to it");

	net_shell("echo 0 >/proc/sys/net/ipv4/conf/int/forwarding");
	tap_equal(ask(), BPF_FIB_LKUP_RET_FWD_DISABLED, "where the interface does not forward, it says so");
	fib_lookup__destroy(bpf);
	return tap_finish();
}
