/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket hooks: programs at the root of the cgroups, which are asked before a program of the host gets a port or a
 * peer.
 */
#ifndef BAUTA_CGROUP_H
#define BAUTA_CGROUP_H

#include <linux/bpf.h>
#include <stdbool.h>

#include "contract.h"
#include "fault.h"
#include "instance.h"
#include "table.h"

struct bpf_object;

enum cgroup_hook {
	CGROUP_CONNECT4,
	CGROUP_CONNECT6,
	CGROUP_SENDMSG4,
	CGROUP_BIND4,
	CGROUP_BIND6,
	CGROUP_POST_BIND4,
	CGROUP_POST_BIND6,
	NUM_CGROUP_HOOK,
};

extern const struct cgroup_hook_info {
	const char *name; /* as in "show status" */
	enum bpf_attach_type type;
	enum { CGROUP_ALWAYS, CGROUP_BORROW } when;
} cgroup_hook_info[NUM_CGROUP_HOOK];

/* Loads the programs with the maps of `tc`, by their names, and attaches those that are wanted; each takes the place of what
 * an earlier run has attached for this instance, at once. They stay when this process ends. On failure none is attached any
 * more, not even of an earlier run.
 */
int cgroup_attach(const struct instance *instance, const struct bpf_object *tc, const struct table *table, bool borrow,
		  struct fault *fault);

/* Whether this hook of the instance is attached. */
bool cgroup_is_at(const struct instance *instance, enum cgroup_hook hook);

/* Detaches what is attached for this instance, and nothing else. When it returns no call is held up any more. */
void cgroup_detach(const struct instance *instance);

#endif
