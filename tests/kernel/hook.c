/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs on tc hooks. */
#include "hook.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>

#include "tap.h"

void hook_attach(const char *device, enum bpf_tc_attach_point point, const struct bpf_program *program)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = if_nametoindex(device),
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(program), .handle = 1, .priority = 1);
	/* the second program of a device finds the hook there, and libbpf would print that */
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	int result = bpf_tc_hook_create(&hook);

	libbpf_set_print(print);
	errno = -result;
	if (result && result != -EEXIST)
		tap_die("cannot make the hook of %s", device);
	hook.attach_point = point;
	result = bpf_tc_attach(&hook, &opts);
	errno = -result;
	if (result)
		tap_die("cannot attach to %s", device);
}

int hook_run_once(const struct bpf_program *program)
{
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet));
	int result = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	if (result) {
		errno = -result;
		tap_die("cannot run %s", bpf_program__name(program));
	}
	return opts.retval;
}
