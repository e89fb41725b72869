/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs at the kernel's tracepoints. Like the XDP program they outlive a run with --keep: the pins "lost-NAME" are their
 * links. Such a link cannot be given another program, so the old one goes before the new one comes; what is lost in between is
 * not counted.
 */
#include "fast_lost.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/fast_lost.skel.h"

#define NUM_TRACEPOINT 2

static const char *const pin_name[NUM_TRACEPOINT] = { "lost-xmit", "lost-redirect" };

static int load(const struct fast_hooks *hooks, struct fast_lost **ret_programs)
{
	struct fast_lost *programs = fast_lost__open();
	int err;

	if (!programs)
		return -ENOMEM;
	*(__u64 *)&programs->rodata->netns_cookie = hooks->instance->cookie;
	err = bpf_map__reuse_fd(programs->maps.fast_links, fast_hooks_map(hooks, "fast_links"));
	if (!err)
		err = bpf_map__reuse_fd(programs->maps.fast_counters, fast_hooks_map(hooks, "fast_counters"));
	if (!err)
		err = fast_lost__load(programs);
	if (err)
		fast_lost__destroy(programs);
	else
		*ret_programs = programs;
	return err;
}

static int attach(const struct instance *instance, const struct bpf_program *program, const char *name)
{
	int link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(program)), err;
	char path[PIN_PATH];

	if (link < 0)
		return -errno;
	err = bpf_obj_pin(link, instance_pin(instance, name, path));
	close(link); /* one that could not be pinned goes with this */
	return err;
}

/* What is not there is no matter. */
static void detach(const struct instance *instance)
{
	char path[PIN_PATH];

	for (int i = 0; i < NUM_TRACEPOINT; i++)
		unlink(instance_pin(instance, pin_name[i], path));
}

int fast_lost_start(const struct fast_hooks *hooks, struct fault *fault)
{
	struct fast_lost *programs = NULL;
	int err;

	detach(hooks->instance);
	err = load(hooks, &programs);
	if (!err) {
		err = attach(hooks->instance, programs->progs.bauta_lost_xmit, pin_name[0]);
		if (!err)
			err = attach(hooks->instance, programs->progs.bauta_lost_redirect, pin_name[1]);
		fast_lost__destroy(programs);
	}
	if (!err)
		return 0;
	detach(hooks->instance);
	return fault_set_errno(
		fault, -err,
		"frames that drivers do not take are not counted: the tracepoints of XDP could not be used "
		"(needed: CONFIG_DEBUG_INFO_BTF)");
}
