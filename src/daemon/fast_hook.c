/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching the XDP program.
 *
 * The pin "fast-IFINDEX" of an instance is the link of its program at an interface: it goes with its pin, and with its
 * interface. A link can only be made where no program is, so that nobody's is ever replaced, and ours cannot be by others. The
 * maps of the fast path are pinned by their names, and outlive a run with --keep.
 */
#include "fast_hook.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/xdp.skel.h"
#include "pin.h"
#include "xdp_attach.h"

#define PIN "fast-"
#define STAGES "fast_stages" /* the map of fast_stage.h */

/* ---- loading -------------------------------------------------------------------------------------------------- */

static bool fits(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

/* Takes over what an earlier run has pinned. What another version has made is of no use: it is made anew. */
static int reuse_pinned(const struct instance *instance, struct bpf_map *map)
{
	char path[PIN_PATH];
	int err = 0, fd = bpf_obj_get(instance_pin(instance, bpf_map__name(map), path));

	if (fd < 0)
		return 0;
	if (fits(map, fd))
		err = bpf_map__reuse_fd(map, fd);
	else
		unlink(path);
	close(fd);
	return err;
}

/* Loading fills it, so that of programs which are not attached yet must not be that of those which are. */
static bool is_stages(const struct bpf_map *map)
{
	return strcmp(bpf_map__name(map), STAGES) == 0;
}

enum load {
	LOAD_HERE, /* programs for the store that is there */
	LOAD_NEXT, /* for one that is to take its place */
};

static int reuse_maps(const struct fast_hooks *hooks, const struct bpf_object *object, enum load which)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, object) {
		int fd = bpf_object__find_map_fd_by_name(hooks->tc, bpf_map__name(map));

		/* constants are each object's own */
		if (err || bpf_map__is_internal(map) || (which == LOAD_NEXT && is_stages(map)))
			continue;
		err = fd >= 0 ? bpf_map__reuse_fd(map, fd) : reuse_pinned(hooks->instance, map);
	}
	return err;
}

static int pin_maps(const struct fast_hooks *hooks, const struct bpf_object *object)
{
	struct bpf_map *map;
	char path[PIN_PATH];
	int err = 0;

	bpf_object__for_each_map(map, object) {
		bool ours = bpf_object__find_map_fd_by_name(hooks->tc, bpf_map__name(map)) < 0;

		if (err || bpf_map__is_internal(map) || !ours)
			continue;
		instance_pin(hooks->instance, bpf_map__name(map), path);
		if (access(path, F_OK) != 0)
			err = bpf_obj_pin(bpf_map__fd(map), path);
	}
	return err;
}

static int load(const struct fast_hooks *hooks, __u32 external, enum load which, struct xdp **ret_programs)
{
	struct xdp *programs = xdp__open();
	int err;

	if (!programs)
		return -ENOMEM;
	memcpy((void *)&programs->rodata->shape, hooks->shape, sizeof(*hooks->shape));
	*(__u64 *)&programs->rodata->clock_mult = hooks->header->clock.mult;
	*(__u32 *)&programs->rodata->external_ifindex = external;
	err = reuse_maps(hooks, programs->obj, which);
	if (!err)
		err = xdp__load(programs);
	if (!err)
		err = pin_maps(hooks, programs->obj);
	if (err)
		xdp__destroy(programs);
	else
		*ret_programs = programs;
	return err;
}

static int load_or_explain(struct fast_hooks *hooks, __u32 external, enum load which, struct fault *fault)
{
	struct xdp *programs = NULL;
	int err;

	err = load(hooks, external, which, &programs);
	if (err)
		return fault_set(fault, -err, "the XDP program could not be loaded: %s; %s", strerror(-err),
				 err == -EPERM || err == -EACCES ? "CAP_BPF and CAP_NET_ADMIN would be needed, and a "
								   "verifier that agrees (BAUTA_DEBUG=1 shows "
								   "what it says)"
				 : err == -ENOMEM ? "more memory would be needed, or a higher limit of the cgroup"
						  : "BAUTA_DEBUG=1 shows what the kernel says");
	fast_hooks_close(hooks);
	hooks->programs = programs;
	hooks->external = external;
	return 0;
}

int fast_hooks_load(struct fast_hooks *hooks, __u32 external, struct fault *fault)
{
	return load_or_explain(hooks, external, LOAD_HERE, fault);
}

int fast_hooks_load_next(const struct fast_hooks *hooks, const struct bpf_object *tc, const struct store_shape *shape,
			 struct fast_hooks *ret_next, struct fault *fault)
{
	struct fast_hooks next = { .instance = hooks->instance, .tc = tc, .header = hooks->header, .shape = shape };
	int err = hooks->programs ? load_or_explain(&next, hooks->external, LOAD_NEXT, fault) : 0;

	next.external = hooks->external;
	if (!err)
		*ret_next = next;
	return err;
}

/* Without its pin the array would be emptied when this process ends. */
static void pin_stages(const struct fast_hooks *hooks)
{
	char path[PIN_PATH], beside[PIN_PATH];

	instance_pin(hooks->instance, STAGES, path);
	instance_pin(hooks->instance, STAGES "-next", beside);
	unlink(beside);
	if (!bpf_obj_pin(fast_hooks_map(hooks, STAGES), beside))
		rename(beside, path);
}

void fast_hooks_exchange(struct fast_hooks *hooks, const struct fast_hooks *next)
{
	__u32 *ifindex;
	int num = next->programs ? fast_hook_list(next->instance, &ifindex) : 0;

	for (int i = 0; num > 0 && ifindex && i < num; i++)
		if (fast_hook_attach(next, ifindex[i], &(struct fault){}))
			fast_hook_detach(next->instance, ifindex[i]); /* fast_follow() tries again */
	if (num > 0)
		free(ifindex);
	/* it was loaded after the next was; fast_follow() attaches anew */
	if (!next->programs)
		fast_hook_detach_all(next->instance);
	else
		pin_stages(next);
	fast_hooks_close(hooks);
	*hooks = *next;
}

void fast_hooks_close(struct fast_hooks *hooks)
{
	xdp__destroy(hooks->programs);
	hooks->programs = NULL;
}

int fast_hooks_map(const struct fast_hooks *hooks, const char *name)
{
	return bpf_object__find_map_fd_by_name(hooks->programs->obj, name);
}

/* ---- what is attached ----------------------------------------------------------------------------------------- */

/* The link that is pinned for an interface, or -errno; -ENOLINK if the interface has gone from under it. */
static int open_link(const struct instance *instance, __u32 ifindex, __u32 *ret_program)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char path[PIN_PATH];
	int link = bpf_obj_get(pin_of_iface(instance, PIN, ifindex, path));

	if (link < 0)
		return -errno;
	if (!bpf_obj_get_info_by_fd(link, &info, &len) && info.type == BPF_LINK_TYPE_XDP &&
	    info.xdp.ifindex == ifindex) {
		*ret_program = info.prog_id;
		return link;
	}
	close(link);
	return -ENOLINK;
}

__u32 fast_hook_program(const struct instance *instance, __u32 ifindex)
{
	__u32 program = 0;
	int link = open_link(instance, ifindex, &program);

	if (link >= 0)
		close(link);
	return program;
}

int fast_hook_list(const struct instance *instance, __u32 **ret_ifindex)
{
	return pin_list_ifaces(instance, PIN, ret_ifindex);
}

/* ---- attaching ------------------------------------------------------------------------------------------------ */

static int make_link(const struct instance *instance, __u32 ifindex, int program)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	char path[PIN_PATH];
	int err, link;

	unlink(pin_of_iface(instance, PIN, ifindex, path));
	link = bpf_link_create(program, ifindex, BPF_XDP, &opts);
	if (link < 0)
		return -errno;
	err = bpf_obj_pin(link, path);
	close(link); /* one that could not be pinned goes with this */
	return err;
}

static __u32 id_of(int program)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(program, &info, &len) ? 0 : info.id;
}

int fast_hook_attach(const struct fast_hooks *hooks, __u32 ifindex, struct fault *fault)
{
	int program = bpf_program__fd(hooks->programs->progs.bauta_xdp), err = 0;
	__u32 before = 0;
	int link = open_link(hooks->instance, ifindex, &before);
	char words[200];

	if (link >= 0) {
		if (before != id_of(program))
			err = bpf_link_update(link, program, NULL);
		close(link);
		return err ? fault_set_errno(fault, -err, "its program could not be replaced") : 0;
	}
	err = make_link(hooks->instance, ifindex, program);
	if (!err)
		return 0;
	xdp_attach_ask(ifindex, program, words, sizeof(words));
	return fault_set(fault, -err, "%s", *words ? words : strerror(-err));
}

void fast_hook_detach(const struct instance *instance, __u32 ifindex)
{
	char path[PIN_PATH];
	int link = bpf_obj_get(pin_of_iface(instance, PIN, ifindex, path));

	if (link < 0)
		return;
	/* without its pin it would go too, but a little later */
	bpf_link_detach(link);
	close(link);
	unlink(path);
}

void fast_hook_detach_all(const struct instance *instance)
{
	__u32 *ifindex;
	int num = fast_hook_list(instance, &ifindex);

	for (int i = 0; ifindex && i < num; i++)
		fast_hook_detach(instance, ifindex[i]);
	free(ifindex);
}
