/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching the socket hooks.
 *
 * They sit at the root of the cgroups, so that sockets of every cgroup are covered, beside whatever others have there; each is
 * a link that is pinned with the maps of its instance. A link holds its program when nobody has it open, takes another
 * program in one step, is found again by its pin, and goes with it: so what has no pin is not attached, and what
 * an instance has left is as easy to find as its maps.
 */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/socket_hooks.skel.h"
#include "ranges.h"
#include "sysctl.h"

#define PORT_LOCK_BIT 3       /* SOCK_BINDPORT_LOCK of sk_userlocks (include/net/sock.h) */
#define FIRST_EPHEMERAL 32768 /* of ip_local_port_range, where nobody has changed it */
#define LAST_EPHEMERAL 60999

const struct cgroup_hook_info cgroup_hook_info[NUM_CGROUP_HOOK] = {
	[CGROUP_CONNECT4] = { "connect4", BPF_CGROUP_INET4_CONNECT, CGROUP_ALWAYS },
	[CGROUP_CONNECT6] = { "connect6", BPF_CGROUP_INET6_CONNECT, CGROUP_ALWAYS },
	[CGROUP_SENDMSG4] = { "sendmsg4", BPF_CGROUP_UDP4_SENDMSG, CGROUP_ALWAYS },
	[CGROUP_BIND4] = { "bind4", BPF_CGROUP_INET4_BIND, CGROUP_BORROW },
	[CGROUP_BIND6] = { "bind6", BPF_CGROUP_INET6_BIND, CGROUP_BORROW },
	[CGROUP_POST_BIND4] = { "post_bind4", BPF_CGROUP_INET4_POST_BIND, CGROUP_BORROW },
	[CGROUP_POST_BIND6] = { "post_bind6", BPF_CGROUP_INET6_POST_BIND, CGROUP_BORROW },
};

/* ---- the root ------------------------------------------------------------------------------------------------- */

/* The root of the cgroups, or -errno. `ip netns exec` hides where it is mounted, so it is mounted anew, at no place. */
static int open_root(void)
{
	int context = fsopen("cgroup2", FSOPEN_CLOEXEC);
	int root, mounted;

	if (context < 0)
		return -errno;
	mounted = fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) ? -1 : fsmount(context, FSMOUNT_CLOEXEC, 0);
	root = mounted < 0 ? -errno : openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mounted >= 0 && root < 0)
		root = -errno;
	if (mounted >= 0)
		close(mounted);
	close(context);
	return root;
}

/* ---- loading -------------------------------------------------------------------------------------------------- */

/* Bits of struct sock, by their number; 0: the kernel does not describe itself. */
struct sock_bits {
	__u32 port_lock; /* the program chose the port */
	__u32 v6only;    /* it leaves IPv4 alone */
};

/* The number of the first bit of a member; 0 if there is none by that name. */
static __u32 find_member(const struct btf *btf, const char *in, const char *name)
{
	int id = btf__find_by_name_kind(btf, in, BTF_KIND_STRUCT);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, id) : NULL;

	for (__u32 i = 0; type && i < btf_vlen(type); i++)
		if (strcmp(btf__name_by_offset(btf, btf_members(type)[i].name_off), name) == 0)
			return btf_member_bit_offset(type, i);
	return 0;
}

/* Counted as little-endian machines do. */
static struct sock_bits find_sock_bits(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct sock_bits bits = {};

	if (libbpf_get_error(btf))
		return bits;
	bits.port_lock = find_member(btf, "sock", "sk_userlocks");
	if (bits.port_lock)
		bits.port_lock += PORT_LOCK_BIT;
	/* what struct sock begins with */
	bits.v6only = find_member(btf, "sock_common", "skc_ipv6only");
	btf__free(btf);
	return bits;
}

static void set_bit(const volatile __u32 *offset, const volatile __u32 *mask, __u32 bit)
{
	*(__u32 *)offset = bit / 8;
	*(__u32 *)mask = bit ? 1u << bit % 8 : 0;
}

static void set_ephemeral(struct socket_hooks *hooks)
{
	__u16 first = FIRST_EPHEMERAL, last = LAST_EPHEMERAL;
	struct ranges ranges;
	unsigned int port = 0;

	/* the kernel's range is one slice */
	if (!sysctl_read_ephemeral(&ranges, &(struct fault){}))
		ranges_next(&ranges, &port, &first, &last);
	*(__u32 *)&hooks->rodata->ephemeral_first = first;
	*(__u32 *)&hooks->rodata->ephemeral_last = last;
}

static int reuse_maps(struct socket_hooks *hooks, const struct bpf_object *tc)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, hooks->obj) {
		int fd = bpf_object__find_map_fd_by_name(tc, bpf_map__name(map));

		if (!err && fd >= 0)
			err = bpf_map__reuse_fd(map, fd);
	}
	return err;
}

static struct bpf_program *program_of(const struct socket_hooks *hooks, enum cgroup_hook hook)
{
	char name[32];

	snprintf(name, sizeof(name), "bauta_%s", cgroup_hook_info[hook].name);
	return bpf_object__find_program_by_name(hooks->obj, name);
}

static bool is_wanted(enum cgroup_hook hook, bool borrow)
{
	return borrow || cgroup_hook_info[hook].when == CGROUP_ALWAYS;
}

static int load(const struct instance *instance, const struct bpf_object *tc, const struct table *table, bool borrow,
		struct sock_bits bits, struct socket_hooks **ret_hooks)
{
	struct socket_hooks *hooks = socket_hooks__open();
	int err;

	if (!hooks)
		return -ENOMEM;
	memcpy((void *)&hooks->rodata->shape, &table->shape, sizeof(table->shape));
	*(__u64 *)&hooks->rodata->clock_mult = table->header->clock.mult;
	*(__u64 *)&hooks->rodata->netns_cookie = instance->cookie;
	set_bit(&hooks->rodata->port_lock_offset, &hooks->rodata->port_lock_mask, bits.port_lock);
	set_bit(&hooks->rodata->v6only_offset, &hooks->rodata->v6only_mask, bits.v6only);
	set_ephemeral(hooks);
	for (int i = 0; i < NUM_CGROUP_HOOK; i++)
		bpf_program__set_autoload(program_of(hooks, i), is_wanted(i, borrow));
	err = reuse_maps(hooks, tc);
	if (!err)
		err = socket_hooks__load(hooks);
	if (err)
		socket_hooks__destroy(hooks);
	else
		*ret_hooks = hooks;
	return err;
}

/* ---- links ---------------------------------------------------------------------------------------------------- */

static char *link_pin(const struct instance *instance, enum cgroup_hook hook, char path[PIN_PATH])
{
	char name[32];

	snprintf(name, sizeof(name), "hook-%s", cgroup_hook_info[hook].name);
	return instance_pin(instance, name, path);
}

/* Its link, or -errno; -ENOLINK if somebody has detached it. */
static int open_link(const struct instance *instance, enum cgroup_hook hook)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char path[PIN_PATH];
	int link = bpf_obj_get(link_pin(instance, hook, path));

	if (link < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(link, &info, &len) || !info.cgroup.cgroup_id) {
		close(link);
		return -ENOLINK;
	}
	return link;
}

static int attach(const struct instance *instance, enum cgroup_hook hook, int root, int program)
{
	int link = open_link(instance, hook);
	char path[PIN_PATH];
	int err;

	link_pin(instance, hook, path);
	if (link >= 0) {
		err = bpf_link_update(link, program, NULL);
	} else {
		unlink(path);
		link = bpf_link_create(program, root, cgroup_hook_info[hook].type, NULL);
		if (link < 0)
			return link;
		err = bpf_obj_pin(link, path);
	}
	close(link); /* one that could not be pinned goes with this */
	return err;
}

static void detach(const struct instance *instance, enum cgroup_hook hook)
{
	char path[PIN_PATH];
	int link = bpf_obj_get(link_pin(instance, hook, path));

	if (link < 0)
		return;
	/* Without its pin it would go too, but a little later. */
	bpf_link_detach(link);
	close(link);
	unlink(path);
}

static int attach_all(const struct instance *instance, const struct socket_hooks *hooks, bool borrow, int root)
{
	int err = 0;

	for (int i = 0; i < NUM_CGROUP_HOOK && !err; i++)
		if (is_wanted(i, borrow))
			err = attach(instance, i, root, bpf_program__fd(program_of(hooks, i)));
		else
			detach(instance, i); /* what an earlier run wanted */
	return err;
}

static int load_and_attach(const struct instance *instance, const struct bpf_object *tc, const struct table *table,
			   bool borrow, struct fault *fault)
{
	struct sock_bits bits = find_sock_bits();
	struct socket_hooks *hooks = NULL;
	int root, err;

	root = open_root();
	if (root < 0)
		return fault_set_errno(fault, -root, "cannot open the root of the cgroups (needed: CONFIG_CGROUPS)");
	err = load(instance, tc, table, borrow, bits, &hooks);
	/* A kernel that is locked down lets no program look into its memory. */
	if (err && (bits.port_lock || bits.v6only))
		err = load(instance, tc, table, borrow, (struct sock_bits){}, &hooks);
	if (err) {
		fault_set_errno(fault, -err, "cannot load the socket hooks (needed: CONFIG_CGROUP_BPF)");
	} else {
		err = attach_all(instance, hooks, borrow, root);
		if (err)
			fault_set_errno(fault, -err, "cannot attach the socket hooks to the root of the cgroups");
		socket_hooks__destroy(hooks);
	}
	close(root);
	return err;
}

int cgroup_attach(const struct instance *instance, const struct bpf_object *tc, const struct table *table, bool borrow,
		  struct fault *fault)
{
	int err = load_and_attach(instance, tc, table, borrow, fault);

	/* Some of this run beside some of an earlier one would keep half of what is promised. */
	if (err)
		cgroup_detach(instance);
	return err;
}

bool cgroup_is_at(const struct instance *instance, enum cgroup_hook hook)
{
	int link = open_link(instance, hook);

	if (link >= 0)
		close(link);
	return link >= 0;
}

void cgroup_detach(const struct instance *instance)
{
	for (int i = 0; i < NUM_CGROUP_HOOK; i++)
		detach(instance, i);
}
