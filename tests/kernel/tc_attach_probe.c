/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program on clsact is found, replaced and removed by its handle and priority; no packet slips by while it is
 * replaced.
 *
 * TC_ACT_OK ends the matter: filters behind do not see the packet. TC_ACT_UNSPEC leaves it to them.
 */
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hook.h"
#include "kernel/tc_attach.skel.h"
#include "net.h"
#include "tap.h"

enum { OURS = 0xba, THEIRS = 0xbb, NUM_DATAGRAMS = 2000 };

static struct bpf_tc_hook hook;
static struct tc_attach *bpf;
static volatile bool sending;

static int attach(const struct bpf_program *program, unsigned int priority, unsigned int flags)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = priority, .flags = flags);

	opts.prog_fd = bpf_program__fd(program);
	return bpf_tc_attach(&hook, &opts);
}

static int detach(unsigned int priority)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = priority);

	return bpf_tc_detach(&hook, &opts);
}

/* The id of the program there, 0 for none. */
static unsigned int query(unsigned int priority)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = priority);

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

static unsigned int id_of(const struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	unsigned int len = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
		tap_die("cannot ask about a program");
	return info.id;
}

static void send_datagrams(int num)
{
	struct sockaddr_in to = net_address(REMOTE_ADDR, 9);
	int fd = net_socket(SOCK_DGRAM, NULL, 0);

	for (int i = 0; i < num; i++)
		if (sendto(fd, "?", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1)
			tap_die("cannot send a datagram");
	close(fd);
}

static void *send_many(void *unused)
{
	(void)unused;
	send_datagrams(NUM_DATAGRAMS);
	sending = false;
	return NULL;
}

static void replace_under_traffic(void)
{
	unsigned int replaced = 0, failed = 0;
	pthread_t thread;

	bpf->bss->num_first = bpf->bss->num_second = 0;
	sending = true;
	if (pthread_create(&thread, NULL, send_many, NULL))
		tap_die("cannot start a thread");
	while (sending) {
		replaced++;
		failed += attach(replaced % 2 ? bpf->progs.first : bpf->progs.second, OURS, BPF_TC_F_REPLACE) != 0;
	}
	pthread_join(thread, NULL);
	tap_note("replaced %u times", replaced);
	tap_ok(replaced > 0 && failed == 0, "a program is replaced under traffic");
	tap_equal(bpf->bss->num_first + bpf->bss->num_second, NUM_DATAGRAMS, "and no packet slips by");
}

static void try_neighbours(void)
{
	bpf->bss->num_third = 0;
	attach(bpf->progs.third, THEIRS, 0);
	attach(bpf->progs.first, OURS, BPF_TC_F_REPLACE);
	send_datagrams(1);
	tap_equal(bpf->bss->num_third, 0, "behind TC_ACT_OK no other filter sees the packet");
	attach(bpf->progs.second, OURS, BPF_TC_F_REPLACE);
	send_datagrams(1);
	tap_equal(bpf->bss->num_third, 1, "behind TC_ACT_UNSPEC it does");
	tap_equal(detach(OURS), 0, "ours is removed");
	tap_equal(query(OURS), 0, "and is gone");
	tap_equal(query(THEIRS), id_of(bpf->progs.third), "the other stays");
	tap_equal(detach(THEIRS), 0, "until it is removed too");
}

int main(void)
{
	net_create();
	net_shell("ping -q -c 1 -W 5 " REMOTE_ADDR " >/dev/null"); /* the neighbour is known */
	bpf = tc_attach__open_and_load();
	if (!bpf)
		tap_die("cannot load the programs");
	libbpf_set_print(NULL); /* it would print the errors that are expected here */

	hook = (struct bpf_tc_hook){ .sz = sizeof(hook),
				     .ifindex = if_nametoindex("ext"),
				     .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS };
	tap_equal(bpf_tc_hook_create(&hook), 0, "clsact is made");
	tap_equal(bpf_tc_hook_create(&hook), -EEXIST, "a second time it says that it is there");
	hook.attach_point = BPF_TC_EGRESS;

	tap_equal(query(OURS), 0, "nothing is there at first");
	tap_equal(attach(bpf->progs.first, OURS, 0), 0, "a program is attached by handle and priority");
	tap_equal(query(OURS), id_of(bpf->progs.first), "and found by them");
	tap_equal(attach(bpf->progs.second, OURS, 0), -EEXIST, "it is not replaced unless that is asked for");
	tap_equal(attach(bpf->progs.second, OURS, BPF_TC_F_REPLACE), 0, "it is replaced");
	tap_equal(query(OURS), id_of(bpf->progs.second), "the other one is found");
	replace_under_traffic();
	try_neighbours();

	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	tap_equal(bpf_tc_hook_destroy(&hook), 0, "clsact is removed");
	tc_attach__destroy(bpf);
	return tap_finish();
}
