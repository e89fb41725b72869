/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hairpin program at interfaces that lead inside: in tcx as a link, or as a tc filter in a clsact qdisc. */
#ifndef BAUTA_INNER_HOOK_H
#define BAUTA_INNER_HOOK_H

#include <linux/types.h>
#include <stdbool.h>

#include "contract.h"
#include "fault.h"
#include "instance.h"

struct bpf_object;
struct hairpin_hook;

/* The loaded programs: for interfaces with a link header and for those without. All zero but for the first four at first. */
struct inner_hooks {
	const struct instance *instance;
	const struct bpf_object *tc; /* whose maps they use */
	const struct header *header;
	const struct store_shape *shape; /* of their store */
	struct hairpin_hook *ether;
	struct hairpin_hook *raw;
};

/* What is attached stays. */
void inner_hooks_close(struct inner_hooks *hooks);

/* Loads what is loaded there once more, for another store and with the maps of another object; attaches nothing. */
int inner_hooks_load_next(const struct inner_hooks *hooks, const struct bpf_object *tc, const struct store_shape *shape,
			  struct inner_hooks *ret_next, struct fault *fault);

/* Attaches to an interface whose link header has `l2_len` bytes, or replaces what an earlier run of this instance has
 * attached.
 */
int inner_hook_attach(struct inner_hooks *hooks, const char *iface, __u32 ifindex, __u32 l2_len, struct fault *fault);

/* Whether the program of this instance is there. */
bool inner_hook_is_at(const struct instance *instance, __u32 ifindex);

/* The interfaces where this instance has attached, be they there or not, in no order: how many, or -errno. The caller frees. */
int inner_hook_list(const struct instance *instance, __u32 **ret_ifindex);

/* What is not there is no matter. */
void inner_hook_detach(const struct instance *instance, __u32 ifindex);
void inner_hook_detach_all(const struct instance *instance);

#endif
