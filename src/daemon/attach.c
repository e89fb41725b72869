/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching to tc and finding again what was attached.
 *
 * On kernels from 6.6 on the programs go into tcx, which costs a packet about half of what a clsact qdisc and a
 * classifier cost; before that, into a clsact qdisc as two filters. A filter that an older kernel's or an older version's
 * run has left is removed once the program is in tcx.
 */
#include "attach.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/libbpf.h>

#include "netlink.h"
#include "tcx.h"

static const struct hook {
	const char *program;
	enum tcx_hook tcx;
	enum bpf_tc_attach_point point;
	__u32 parent;
} hooks[NUM_ATTACH_HOOK] = {
	[ATTACH_INGRESS] = { "bauta_ingress", TCX_INGRESS, BPF_TC_INGRESS, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) },
	[ATTACH_EGRESS] = { "bauta_egress", TCX_EGRESS, BPF_TC_EGRESS, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) },
};

/* At the interfaces that lead inside. */
static const struct hook inner_hook = {
	"bauta_hairpin",
	TCX_INGRESS,
	BPF_TC_INGRESS,
	TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
};

/* What stands at one hook. */
struct filters {
	const struct hook *hook;
	__u32 handle;
	unsigned int ours;
	unsigned int others;
	bool taken; /* somebody else's filter stands where ours would */
};

static int take_attr(const struct nlattr *attr, void *data)
{
	const struct nlattr **found = data;

	if (mnl_attr_get_type(attr) == TCA_KIND)
		found[0] = attr;
	else if (mnl_attr_get_type(attr) == TCA_OPTIONS)
		found[1] = attr;
	return MNL_CB_OK;
}

/* libbpf names a filter "PROGRAM:[ID]". */
static bool is_program(const struct nlattr *options, const char *program)
{
	const struct nlattr *attr;

	if (!options)
		return false;
	mnl_attr_for_each_nested(attr, options)
	{
		const char *name = mnl_attr_get_str(attr);
		size_t len = strlen(program);

		if (mnl_attr_get_type(attr) == TCA_BPF_NAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			return strncmp(name, program, len) == 0 && name[len] == ':';
	}
	return false;
}

static int take_filter(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr[2] = {};
	struct filters *filters = context;
	bool our_place;

	if (message->nlmsg_type != RTM_NEWTFILTER || mnl_attr_parse(message, sizeof(*info), take_attr, attr) < 0)
		return MNL_CB_OK;
	our_place = TC_H_MAJ(info->tcm_info) >> 16 == ATTACH_PRIORITY;
	if (!info->tcm_handle) { /* the list of all filters of one priority */
		bool bpf = attr[0] && strcmp(mnl_attr_get_str(attr[0]), "bpf") == 0;

		if (!our_place)
			filters->others++;
		else if (!bpf)
			filters->taken = true;
		return MNL_CB_OK;
	}
	if (!our_place)
		return MNL_CB_OK;
	if (info->tcm_handle == filters->handle && is_program(attr[1], filters->hook->program)) {
		filters->ours++;
	} else {
		filters->others++;
		filters->taken |= info->tcm_handle == filters->handle;
	}
	return MNL_CB_OK;
}

static int read_filters(struct mnl_socket *socket, __u32 ifindex, const struct hook *hook, __u32 handle,
			struct filters *ret_filters)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcmsg *info;

	*ret_filters = (struct filters){ .hook = hook, .handle = handle };
	request->nlmsg_type = RTM_GETTFILTER;
	request->nlmsg_flags = NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->tcm_family = AF_UNSPEC;
	info->tcm_ifindex = ifindex;
	info->tcm_parent = hook->parent;
	return netlink_ask(socket, request, take_filter, ret_filters);
}

static int read_hooks(__u32 ifindex, struct filters ret_filters[NUM_ATTACH_HOOK])
{
	struct mnl_socket *socket;
	int err = netlink_open(NETLINK_ROUTE, &socket);

	if (err)
		return err;
	for (int i = 0; i < NUM_ATTACH_HOOK && !err; i++)
		err = read_filters(socket, ifindex, &hooks[i], ATTACH_HANDLE, &ret_filters[i]);
	netlink_close(socket);
	return err;
}

static int read_inner(__u32 ifindex, __u32 handle, struct filters *ret_filters)
{
	struct mnl_socket *socket;
	int err = netlink_open(NETLINK_ROUTE, &socket);

	if (err)
		return err;
	err = read_filters(socket, ifindex, &inner_hook, handle, ret_filters);
	netlink_close(socket);
	return err;
}

/* ---- qdisc ---------------------------------------------------------------------------------------------------- */

/* The qdisc where clsact would be. */
struct qdisc {
	__u32 ifindex;
	char kind[16];
};

static int take_qdisc(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr[2] = {};
	struct qdisc *qdisc = context;

	if (message->nlmsg_type != RTM_NEWQDISC || (__u32)info->tcm_ifindex != qdisc->ifindex ||
	    info->tcm_parent != TC_H_CLSACT || mnl_attr_parse(message, sizeof(*info), take_attr, attr) < 0 || !attr[0])
		return MNL_CB_OK;
	snprintf(qdisc->kind, sizeof(qdisc->kind), "%s", mnl_attr_get_str(attr[0]));
	return MNL_CB_OK;
}

/* "" when there is none. */
static int read_qdisc(__u32 ifindex, struct qdisc *ret_qdisc)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct mnl_socket *socket;
	struct tcmsg *info;
	int err;

	*ret_qdisc = (struct qdisc){ .ifindex = ifindex };
	request->nlmsg_type = RTM_GETQDISC;
	request->nlmsg_flags = NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->tcm_family = AF_UNSPEC;
	info->tcm_ifindex = ifindex;
	err = netlink_open(NETLINK_ROUTE, &socket);
	if (err)
		return err;
	err = netlink_ask(socket, request, take_qdisc, ret_qdisc);
	netlink_close(socket);
	return err;
}

static int create_qdisc(const char *iface, __u32 ifindex, bool *qdisc_ours, struct fault *fault)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct qdisc qdisc;
	int err = read_qdisc(ifindex, &qdisc);

	if (err)
		return fault_set_errno(fault, -err, "cannot read the qdiscs of %s", iface);
	if (strcmp(qdisc.kind, "clsact") == 0)
		return 0;
	if (qdisc.kind[0])
		return fault_set(
			fault, EBUSY,
			"cannot attach to %s: it has an %s qdisc, which has no egress; clsact, which does the same and "
			"more, would be accepted (tc qdisc replace dev %s clsact)",
			iface, qdisc.kind, iface);
	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return fault_set_errno(fault, -err,
				       "cannot create the clsact qdisc of %s (needed: CONFIG_NET_SCH_INGRESS and "
				       "CONFIG_NET_CLS_BPF)",
				       iface);
	if (!err)
		*qdisc_ours = true;
	return 0;
}

static int destroy_qdisc(__u32 ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct qdisc qdisc;
	int err = read_qdisc(ifindex, &qdisc);

	/* Somebody may have put another in its place. */
	if (err || strcmp(qdisc.kind, "clsact") != 0)
		return err;
	return bpf_tc_hook_destroy(&hook);
}

/* ---- filters -------------------------------------------------------------------------------------------------- */

static int attach(__u32 ifindex, const struct hook *hook, __u32 handle, int program, bool replace)
{
	LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = ifindex, .attach_point = hook->point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .handle = handle, .priority = ATTACH_PRIORITY,
		    .flags = replace ? BPF_TC_F_REPLACE : 0);

	return bpf_tc_attach(&where, &opts);
}

static int detach(__u32 ifindex, const struct hook *hook, __u32 handle)
{
	LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = ifindex, .attach_point = hook->point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = ATTACH_PRIORITY);

	return bpf_tc_detach(&where, &opts);
}

static int attach_filters(const char *iface, __u32 ifindex, const int program[NUM_ATTACH_HOOK], bool *qdisc_ours,
			  struct fault *fault)
{
	struct filters filters[NUM_ATTACH_HOOK];
	bool created = false;
	int err, i = 0;

	err = create_qdisc(iface, ifindex, &created, fault);
	if (err)
		return err;
	err = read_hooks(ifindex, filters);
	if (err) {
		fault_set_errno(fault, -err, "cannot read the tc filters of %s", iface);
		goto undo;
	}
	/* Ingress first: whatever is sent translated, its reply will be. */
	for (i = 0; i < NUM_ATTACH_HOOK; i++) {
		if (filters[i].taken)
			err = fault_set(
				fault, EEXIST,
				"cannot attach to %s: a tc filter that is not ours has priority %u and handle %#x; any "
				"other would be accepted",
				iface, ATTACH_PRIORITY, ATTACH_HANDLE);
		else
			err = attach(ifindex, &hooks[i], ATTACH_HANDLE, program[i], filters[i].ours);
		if (err && !filters[i].taken)
			fault_set_errno(fault, -err, "cannot attach %s to %s", hooks[i].program, iface);
		if (err)
			goto undo;
	}
	*qdisc_ours |= created;
	return 0;
undo:
	/* A filter that was there before stays, in its new form: packets depend on it. */
	while (--i >= 0)
		if (!filters[i].ours)
			detach(ifindex, &hooks[i], ATTACH_HANDLE);
	if (created)
		destroy_qdisc(ifindex);
	return err;
}

static bool is_gone(int err)
{
	return err == -ENODEV || err == -ENOENT || err == -EINVAL;
}

static int remove_filters(const char *iface, __u32 ifindex, bool qdisc_ours, unsigned int *ret_removed,
			  struct fault *fault)
{
	struct filters filters[NUM_ATTACH_HOOK];
	unsigned int removed = 0, others = 0;
	int err = read_hooks(ifindex, filters);

	if (err && !is_gone(err))
		return fault_set_errno(fault, -err, "cannot read the tc filters of %s", iface);
	/* Egress first: a session made now would wait for replies in vain. */
	for (int i = NUM_ATTACH_HOOK - 1; i >= 0 && !err; i--) {
		others += filters[i].others;
		if (!filters[i].ours)
			continue;
		err = detach(ifindex, &hooks[i], ATTACH_HANDLE);
		if (err && !is_gone(err))
			return fault_set_errno(fault, -err, "cannot detach %s from %s", hooks[i].program, iface);
		removed++;
	}
	if (!err && qdisc_ours && !others) {
		err = destroy_qdisc(ifindex);
		if (err && !is_gone(err))
			return fault_set_errno(fault, -err, "cannot remove the clsact qdisc of %s", iface);
	}
	*ret_removed += removed;
	return 0;
}

/* ---- tcx ------------------------------------------------------------------------------------------------------ */

static int attach_tcx(const char *iface, __u32 ifindex, const int program[NUM_ATTACH_HOOK], struct fault *fault)
{
	bool new[NUM_ATTACH_HOOK] = {};

	/* Ingress first: whatever is sent translated, its reply will be. */
	for (int i = 0; i < NUM_ATTACH_HOOK; i++) {
		int err;

		new[i] = tcx_count(ifindex, hooks[i].tcx, hooks[i].program) == 0;
		err = tcx_attach(ifindex, hooks[i].tcx, hooks[i].program, program[i]);
		if (!err)
			continue;
		/* A program that was there before stays, in its new form: packets depend on it. */
		while (--i >= 0)
			if (new[i])
				tcx_remove(ifindex, hooks[i].tcx, hooks[i].program);
		return fault_set_errno(fault, -err, "cannot attach to tcx of %s", iface);
	}
	return 0;
}

static int remove_tcx(const char *iface, __u32 ifindex, unsigned int *ret_removed, struct fault *fault)
{
	/* Egress first: a session made now would wait for replies in vain. */
	for (int i = NUM_ATTACH_HOOK - 1; i >= 0; i--) {
		int removed = tcx_remove(ifindex, hooks[i].tcx, hooks[i].program);

		if (removed < 0 && !is_gone(removed))
			return fault_set_errno(fault, -removed, "cannot detach %s from tcx of %s", hooks[i].program,
					       iface);
		if (removed > 0)
			*ret_removed += removed;
	}
	return 0;
}

/* ---- either --------------------------------------------------------------------------------------------------- */

int attach_programs(const char *iface, __u32 ifindex, const int program[NUM_ATTACH_HOOK], bool *qdisc_ours,
		    struct fault *fault)
{
	unsigned int removed = 0;
	int err;

	if (!tcx_is_supported(ifindex))
		return attach_filters(iface, ifindex, program, qdisc_ours, fault);
	err = attach_tcx(iface, ifindex, program, fault);
	return err ? err : remove_filters(iface, ifindex, *qdisc_ours, &removed, fault);
}

int attach_count(__u32 ifindex)
{
	struct filters filters[NUM_ATTACH_HOOK];
	int num = 0, err = read_hooks(ifindex, filters);

	if (err)
		return err;
	for (int i = 0; i < NUM_ATTACH_HOOK; i++) {
		int programs = tcx_count(ifindex, hooks[i].tcx, hooks[i].program);

		num += filters[i].ours + (programs > 0 ? programs : 0);
	}
	return num;
}

bool attach_is_at(__u32 ifindex, enum attach_hook hook)
{
	struct filters filters[NUM_ATTACH_HOOK];

	return tcx_count(ifindex, hooks[hook].tcx, hooks[hook].program) > 0 ||
	       (!read_hooks(ifindex, filters) && filters[hook].ours);
}

int attach_remove(const char *iface, __u32 ifindex, bool qdisc_ours, unsigned int *ret_removed, struct fault *fault)
{
	unsigned int removed = 0;
	int err = remove_tcx(iface, ifindex, &removed, fault);

	if (!err)
		err = remove_filters(iface, ifindex, qdisc_ours, &removed, fault);
	if (!err && ret_removed)
		*ret_removed = removed;
	return err;
}

/* ---- inside --------------------------------------------------------------------------------------------------- */

bool attach_has_inner(__u32 ifindex, __u32 handle)
{
	struct filters filters;

	return !read_inner(ifindex, handle, &filters) && filters.ours;
}

int attach_inner(const char *iface, __u32 ifindex, __u32 handle, int program, bool *qdisc_ours, struct fault *fault)
{
	struct filters filters;
	bool created = false;
	int err = create_qdisc(iface, ifindex, &created, fault);

	if (err)
		return err;
	err = read_inner(ifindex, handle, &filters);
	if (!err && filters.taken)
		err = -EEXIST;
	if (!err)
		err = attach(ifindex, &inner_hook, handle, program, filters.ours);
	if (err && created)
		destroy_qdisc(ifindex);
	if (err)
		return fault_set_errno(fault, -err, "cannot attach %s to %s", inner_hook.program, iface);
	*qdisc_ours |= created;
	return 0;
}

void attach_remove_inner(__u32 ifindex, __u32 handle, bool qdisc_ours)
{
	struct filters filters;

	if (read_inner(ifindex, handle, &filters))
		return;
	if (filters.ours)
		detach(ifindex, &inner_hook, handle);
	/* egress has what is another instance's */
	if (qdisc_ours && !filters.others && attach_count(ifindex) == 0)
		destroy_qdisc(ifindex);
}
