/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tc program may loop over all ports with bpf_loop, stop early, and look sockets up in the loop. */
#include <sys/socket.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/bpf_loop.skel.h"
#include "net.h"
#include "tap.h"

enum { NUM_PORTS = 65535 };

int main(void)
{
	struct bpf_loop *bpf = bpf_loop__open_and_load();
	int first, last;

	if (!bpf)
		tap_die("cannot load the programs");
	bpf->bss->num_rounds = NUM_PORTS;
	bpf->bss->wanted = NUM_PORTS;
	hook_run_once(bpf->progs.count);
	tap_equal(bpf->bss->result, NUM_PORTS, "a loop goes on to its end");
	tap_equal(bpf->bss->rounds, NUM_PORTS, "and counts its rounds");
	bpf->bss->wanted = 1000;
	hook_run_once(bpf->progs.count);
	tap_equal(bpf->bss->result, 1001, "a loop stops when its function returns 1");

	/* a test run happens in the network namespace of whoever asks for it */
	net_enter(net_namespace());
	first = net_socket(SOCK_STREAM, "127.0.0.1", 1);
	last = net_socket(SOCK_STREAM, "127.0.0.1", NUM_PORTS);
	listen(first, 1);
	listen(last, 1);
	hook_run_once(bpf->progs.find_sockets);
	tap_equal(bpf->bss->num_sockets, 2, "a look-up in the loop finds the listeners on the first and the last port");
	close(first);
	close(last);
	bpf_loop__destroy(bpf);
	return tap_finish();
}
