/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching to tcx, and finding again what was attached. */
#include "tcx.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

/* BPF_MPROG_MAX: the kernel takes no more programs at one hook. */
#define MAX_PROGRAMS 64

/* Calls `take` with each program of this name; it owns the descriptor. Stops at an error. How many there were, or
 * -errno.
 */
static int each_program(__u32 ifindex, enum tcx_hook hook, const char *name, int (*take)(int program, void *context),
			void *context)
{
	__u32 id[MAX_PROGRAMS], num = MAX_PROGRAMS;
	int found = 0;

	if (bpf_prog_query(ifindex, (enum bpf_attach_type)hook, 0, NULL, id, &num))
		return -errno;
	for (__u32 i = 0; i < num; i++) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);
		int program = bpf_prog_get_fd_by_id(id[i]);
		int err;

		if (program < 0)
			continue; /* gone since the query */
		if (bpf_obj_get_info_by_fd(program, &info, &len) || strcmp(info.name, name) != 0) {
			close(program);
			continue;
		}
		found++;
		err = take(program, context);
		if (err)
			return err;
	}
	return found;
}

static int ignore(int program, void *context)
{
	(void)context;
	close(program);
	return 0;
}

static int keep_last(int program, void *context)
{
	int *kept = context;

	if (*kept >= 0)
		close(*kept);
	*kept = program;
	return 0;
}

struct place {
	__u32 ifindex;
	enum tcx_hook hook;
};

static int detach(int program, void *context)
{
	const struct place *place = context;
	int err = bpf_prog_detach2(program, place->ifindex, (enum bpf_attach_type)place->hook);

	close(program);
	return err ? -errno : 0;
}

bool tcx_is_supported(__u32 ifindex)
{
	__u32 num = 0;

	return !bpf_prog_query(ifindex, (enum bpf_attach_type)TCX_INGRESS, 0, NULL, NULL, &num);
}

int tcx_count(__u32 ifindex, enum tcx_hook hook, const char *name)
{
	return each_program(ifindex, hook, name, ignore, NULL);
}

static __u32 id_of(int program)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(program, &info, &len) ? 0 : info.id;
}

int tcx_attach(__u32 ifindex, enum tcx_hook hook, const char *name, int program)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts);
	int before = -1;
	int err = each_program(ifindex, hook, name, keep_last, &before);

	if (err < 0)
		return err;
	if (before >= 0 && id_of(before) == id_of(program)) {
		/* The kernel refuses to put a program in its own place. */
		close(before);
		return 0;
	}
	if (before >= 0) {
		opts.flags = BPF_F_REPLACE;
		opts.replace_prog_fd = before;
	}
	err = bpf_prog_attach_opts(program, ifindex, (enum bpf_attach_type)hook, &opts) ? -errno : 0;
	if (before >= 0)
		close(before);
	return err;
}

int tcx_remove(__u32 ifindex, enum tcx_hook hook, const char *name)
{
	struct place place = { .ifindex = ifindex, .hook = hook };

	return each_program(ifindex, hook, name, detach, &place);
}

int tcx_link(__u32 ifindex, enum tcx_hook hook, int program)
{
	int link = bpf_link_create(program, ifindex, (enum bpf_attach_type)hook, NULL);

	return link < 0 ? -errno : link;
}

/* The members of struct bpf_link_info begin alike: older headers do not know those of tcx. */
bool tcx_link_is_at(int link, __u32 ifindex)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(link, &info, &len) && info.xdp.ifindex == ifindex;
}
