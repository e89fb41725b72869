/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The XDP program of the fast path: loading it, and attaching it to interfaces whose drivers run it. */
#ifndef BAUTA_FAST_HOOK_H
#define BAUTA_FAST_HOOK_H

#include <linux/types.h>
#include <stdbool.h>

#include "contract.h"
#include "fault.h"
#include "instance.h"

struct bpf_object;
struct xdp;

/* All zero but for the first four at first. */
struct fast_hooks {
	const struct instance *instance;
	const struct bpf_object *tc; /* whose maps it uses */
	const struct header *header;
	const struct store_shape *shape; /* of their store */
	struct xdp *programs;            /* NULL: not loaded */
	__u32 external;                  /* the external interface that it was loaded for */
};

/* Loads the program for this external interface; pins its maps, or takes over those that are pinned. */
int fast_hooks_load(struct fast_hooks *hooks, __u32 external, struct fault *fault);

/* Loads what is loaded there once more, for another store and with the maps of another object; attaches nothing. */
int fast_hooks_load_next(const struct fast_hooks *hooks, const struct bpf_object *tc, const struct store_shape *shape,
			 struct fast_hooks *ret_next, struct fault *fault);

/* Puts that in the place of what is loaded, wherever it is attached. */
void fast_hooks_exchange(struct fast_hooks *hooks, const struct fast_hooks *next);

/* What is attached stays. */
void fast_hooks_close(struct fast_hooks *hooks);

/* The descriptor of one of its maps; only when it is loaded. */
int fast_hooks_map(const struct fast_hooks *hooks, const char *name);

/* Attaches the loaded program, or puts it in the place of what an earlier load of this instance has attached. The fault says
 * what the kernel says, which may be the driver's own words.
 */
int fast_hook_attach(const struct fast_hooks *hooks, __u32 ifindex, struct fault *fault);

/* The id of the program that this instance has attached; 0: none. */
__u32 fast_hook_program(const struct instance *instance, __u32 ifindex);

/* The interfaces where this instance has attached, be they there or not, in no order: how many, or -errno. The caller frees. */
int fast_hook_list(const struct instance *instance, __u32 **ret_ifindex);

/* What is not there is no matter. */
void fast_hook_detach(const struct instance *instance, __u32 ifindex);
void fast_hook_detach_all(const struct instance *instance);

#endif
