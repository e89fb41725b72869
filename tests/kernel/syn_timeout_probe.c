/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sockops program can let the second SYN follow in milliseconds, so that an ICMP error ends a blocking connect()
 * with its own errno.
 *
 * It knows both ports, also one that the kernel chose: it could do so for refused tuples only.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "cgroup.h"
#include "hook.h"
#include "kernel/refuse_local.skel.h"
#include "kernel/syn_timeout.skel.h"
#include "net.h"
#include "tap.h"

enum { PORT = 60000, SOON_MS = 900 };

static int probe(int cgroup)
{
	struct refuse_local *refuse;
	struct syn_timeout *bpf;
	double start, passed;
	int fd;

	net_create();
	net_shell("ping -q -c 1 -W 5 " REMOTE_ADDR " >/dev/null"); /* the neighbour is known */
	refuse = refuse_local__open_and_load();
	bpf = syn_timeout__open_and_load();
	if (!refuse || !bpf)
		tap_die("cannot load the programs");
	hook_attach("ext", BPF_TC_EGRESS, refuse->progs.leave);
	refuse->bss->code = 1;
	refuse->bss->refuse = 1;
	if (bpf_prog_attach(bpf_program__fd(bpf->progs.shorten), cgroup, BPF_CGROUP_SOCK_OPS, BPF_F_ALLOW_MULTI))
		tap_die("cannot attach to the cgroup");

	fd = net_socket(SOCK_STREAM, NULL, 0);
	start = net_milliseconds();
	tap_equal(net_connect(fd, REMOTE_ADDR, PORT), EHOSTUNREACH, "a blocking connect says EHOSTUNREACH");
	passed = net_milliseconds() - start;
	tap_ok(passed < SOON_MS, "long before a second has passed");
	tap_note("after %.1f ms", passed);
	tap_equal(bpf->bss->remote_port, PORT, "the program knows the remote port");
	tap_ok(bpf->bss->local_port != 0, "and the local one, which the kernel chose");
	close(fd);
	syn_timeout__destroy(bpf);
	refuse_local__destroy(refuse);
	return tap_finish();
}

int main(void)
{
	return cgroup_run(probe);
}
