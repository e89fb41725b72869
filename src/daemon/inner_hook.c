/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching the hairpin program.
 *
 * Several instances may have theirs at one interface, so each must know its own. The pin "hairpin-IFINDEX" of an instance is the
 * link of its program in tcx: it goes with its pin, and with its interface. Where there is no tcx the pin (any object would
 * do, it is the header's) says that there is a filter; its handle is made of the name of the external interface. The pin
 * "hairpin-clsact-IFINDEX" says that its qdisc was made by us.
 */
#include "inner_hook.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "attach.h"
#include "bpf/hairpin_hook.skel.h"
#include "pin.h"
#include "tcx.h"

#define PIN "hairpin-"
#define PIN_QDISC "hairpin-clsact-"

/* ---- loading -------------------------------------------------------------------------------------------------- */

static int reuse_maps(const struct hairpin_hook *programs, const struct bpf_object *tc)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, programs->obj) {
		int fd = bpf_object__find_map_fd_by_name(tc, bpf_map__name(map));

		/* constants are each object's own */
		if (!err && fd >= 0 && !bpf_map__is_internal(map))
			err = bpf_map__reuse_fd(map, fd);
	}
	return err;
}

static int load(const struct inner_hooks *hooks, __u32 l2_len, struct hairpin_hook **ret_programs)
{
	struct hairpin_hook *programs = hairpin_hook__open();
	int err;

	if (!programs)
		return -ENOMEM;
	memcpy((void *)&programs->rodata->shape, hooks->shape, sizeof(*hooks->shape));
	*(__u64 *)&programs->rodata->clock_mult = hooks->header->clock.mult;
	*(__u32 *)&programs->rodata->l2_len = l2_len;
	*(bool *)&programs->rodata->only_ingress = true;
	err = reuse_maps(programs, hooks->tc);
	if (!err)
		err = hairpin_hook__load(programs);
	if (err)
		hairpin_hook__destroy(programs);
	else
		*ret_programs = programs;
	return err;
}

/* The program for such interfaces, or -errno. */
static int program_for(struct inner_hooks *hooks, __u32 l2_len, struct fault *fault)
{
	struct hairpin_hook **programs = l2_len ? &hooks->ether : &hooks->raw;
	int err = *programs ? 0 : load(hooks, l2_len, programs);

	if (err)
		return fault_set_errno(fault, -err, "cannot load the hairpin program");
	return bpf_program__fd((*programs)->progs.bauta_hairpin);
}

int inner_hooks_load_next(const struct inner_hooks *hooks, const struct bpf_object *tc, const struct store_shape *shape,
			  struct inner_hooks *ret_next, struct fault *fault)
{
	struct inner_hooks next = { .instance = hooks->instance, .tc = tc, .header = hooks->header, .shape = shape };
	int err = 0;

	if (hooks->ether)
		err = load(&next, ETH_HLEN, &next.ether);
	if (!err && hooks->raw)
		err = load(&next, 0, &next.raw);
	if (err) {
		inner_hooks_close(&next);
		return fault_set_errno(fault, -err, "cannot load the hairpin program");
	}
	*ret_next = next;
	return 0;
}

void inner_hooks_close(struct inner_hooks *hooks)
{
	hairpin_hook__destroy(hooks->ether);
	hairpin_hook__destroy(hooks->raw);
	hooks->ether = hooks->raw = NULL;
}

/* ---- what is attached ----------------------------------------------------------------------------------------- */

/* FNV-1a: the same for every run that serves the interface. */
static __u32 handle_of(const struct instance *instance)
{
	__u32 hash = 2166136261u;

	for (const char *c = instance->iface; *c; c++)
		hash = (hash ^ (__u8)*c) * 16777619u;
	return ATTACH_PRIORITY << 16 | (hash & 0xffff);
}

/* The link that is pinned for an interface, or -errno; -ENOLINK if it is no longer there. */
static int open_link(const struct instance *instance, __u32 ifindex)
{
	char path[PIN_PATH];
	int link = bpf_obj_get(pin_of_iface(instance, PIN, ifindex, path));

	if (link < 0)
		return -errno;
	if (tcx_link_is_at(link, ifindex))
		return link;
	close(link);
	return -ENOLINK;
}

bool inner_hook_is_at(const struct instance *instance, __u32 ifindex)
{
	int link;

	if (!tcx_is_supported(ifindex))
		return attach_has_inner(ifindex, handle_of(instance));
	link = open_link(instance, ifindex);
	if (link >= 0)
		close(link);
	return link >= 0;
}

int inner_hook_list(const struct instance *instance, __u32 **ret_ifindex)
{
	return pin_list_ifaces(instance, PIN, ret_ifindex);
}

/* ---- attaching ------------------------------------------------------------------------------------------------ */

static int attach_tcx(const struct instance *instance, __u32 ifindex, int program)
{
	int link = open_link(instance, ifindex), err;
	char path[PIN_PATH];

	if (link >= 0) {
		err = bpf_link_update(link, program, NULL);
	} else {
		pin_of_iface(instance, PIN, ifindex, path);
		unlink(path);
		link = tcx_link(ifindex, TCX_INGRESS, program);
		if (link < 0)
			return link;
		err = bpf_obj_pin(link, path);
	}
	close(link); /* one that could not be pinned goes with this */
	return err;
}

static int attach_filter(const struct inner_hooks *hooks, const char *iface, __u32 ifindex, int program,
			 struct fault *fault)
{
	int mark = bpf_object__find_map_fd_by_name(hooks->tc, "header");
	const struct instance *instance = hooks->instance;
	char path[PIN_PATH], qdisc_path[PIN_PATH];
	bool made = false;
	int err;

	pin_of_iface(instance, PIN, ifindex, path);
	pin_of_iface(instance, PIN_QDISC, ifindex, qdisc_path);
	err = attach_inner(iface, ifindex, handle_of(instance), program, &made, fault);
	if (err)
		return err;
	if (access(path, F_OK) != 0)
		err = bpf_obj_pin(mark, path);
	if (!err && made && access(qdisc_path, F_OK) != 0)
		err = bpf_obj_pin(mark, qdisc_path);
	if (!err)
		return 0;
	attach_remove_inner(ifindex, handle_of(instance), made);
	unlink(path);
	return fault_set_errno(fault, -err, "cannot pin %s", path);
}

int inner_hook_attach(struct inner_hooks *hooks, const char *iface, __u32 ifindex, __u32 l2_len, struct fault *fault)
{
	int program = program_for(hooks, l2_len, fault), err;

	if (program < 0)
		return program;
	if (!tcx_is_supported(ifindex))
		return attach_filter(hooks, iface, ifindex, program, fault);
	err = attach_tcx(hooks->instance, ifindex, program);
	if (err)
		return fault_set_errno(fault, -err, "cannot attach the hairpin program to tcx of %s", iface);
	return 0;
}

void inner_hook_detach(const struct instance *instance, __u32 ifindex)
{
	char path[PIN_PATH], qdisc_path[PIN_PATH];
	int link = bpf_obj_get(pin_of_iface(instance, PIN, ifindex, path));

	if (link < 0)
		return;
	pin_of_iface(instance, PIN_QDISC, ifindex, qdisc_path);
	/* Without its pin a link would go too, but a little later. A program is no link, and has none. */
	if (bpf_link_detach(link))
		attach_remove_inner(ifindex, handle_of(instance), access(qdisc_path, F_OK) == 0);
	close(link);
	unlink(path);
	unlink(qdisc_path);
}

void inner_hook_detach_all(const struct instance *instance)
{
	__u32 *ifindex;
	int num = inner_hook_list(instance, &ifindex);

	for (int i = 0; ifindex && i < num; i++)
		inner_hook_detach(instance, ifindex[i]);
	free(ifindex);
}
