/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet that comes in with one of the machine's own addresses as its source disappears: an answer built at tc must
 * not have one.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook.h"
#include "kernel/refuse_local.skel.h"
#include "net.h"
#include "tap.h"

enum { PORT = 60000, PROHIBITED = 13 };

int main(void)
{
	struct refuse_local *bpf;
	long heard;
	int fd;

	net_create();
	net_shell("ping -q -c 1 -W 5 " REMOTE_ADDR " >/dev/null"); /* the neighbour is known */
	bpf = refuse_local__open_and_load();
	if (!bpf)
		tap_die("cannot load the programs");
	hook_attach("ext", BPF_TC_EGRESS, bpf->progs.leave);
	hook_attach("ext", BPF_TC_INGRESS, bpf->progs.enter);
	bpf->bss->code = PROHIBITED;
	bpf->bss->refuse = 1;
	fd = net_socket(SOCK_DGRAM, NULL, 0);
	if (net_connect(fd, REMOTE_ADDR, PORT))
		tap_die("cannot connect a datagram socket");

	heard = net_counter("Icmp", "InDestUnreachs");
	bpf->bss->from_ourselves = 1;
	send(fd, "?", 1, 0);
	bpf->bss->from_ourselves = 0;
	send(fd, "?", 1, 0); /* its answer comes behind the other, and is waited for */
	tap_equal(recv(fd, &(char){ 0 }, 1, 0) < 0 ? errno : 0, EHOSTUNREACH,
		  "an answer from the remote's address is heard");
	tap_equal(bpf->bss->num_returned, 2, "both answers passed tc ingress");
	tap_equal(net_counter("Icmp", "InDestUnreachs"), heard + 1,
		  "the one from the host's own address went no further");
	close(fd);
	refuse_local__destroy(bpf);
	return tap_finish();
}
