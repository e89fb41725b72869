/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon writes into a BPF object between opening and loading it. */
#include "constants.h"

#include <stdbool.h>
#include <string.h>

#include <bpf/btf.h>

#include "contract.h"

#define NUM_BUCKETS 1024
#define NUM_STASH 16
#define MAX_WORDS 8

static const struct {
	const char *name;
	const char *object; /* only there; NULL: everywhere */
	__u32 word[MAX_WORDS];
} constant[] = {
	{ "shape", NULL, { NUM_BUCKETS, NUM_STASH, 1000, 0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f } },
	{ "clock_mult", NULL, { 4194 } },
	{ "l2_len", NULL, { 14 } },
	{ "external_ifindex", NULL, { 2 } },
	{ "only_ingress", "hairpin_hook", { 1 } },
	{ "fast_create", NULL, { 1 } },
	{ "netns_cookie", NULL, { 1 } },
	{ "port_lock_offset", NULL, { 8 } },
	{ "port_lock_mask", NULL, { 0x10 } },
	{ "v6only_offset", NULL, { 16 } },
	{ "v6only_mask", NULL, { 0x20 } },
	{ "ephemeral_first", NULL, { 32768 } },
	{ "ephemeral_last", NULL, { 60999 } },
};

#define NUM_CONSTANT (sizeof(constant) / sizeof(constant[0]))

static void set_one(const char *name, const char *path, void *memory, __u32 size)
{
	for (size_t i = 0; i < NUM_CONSTANT; i++)
		if (!strcmp(constant[i].name, name) && (!constant[i].object || strstr(path, constant[i].object)))
			memcpy(memory, constant[i].word,
			       size < sizeof(constant[i].word) ? size : sizeof(constant[i].word));
}

void constants_set(struct bpf_object *object, const char *path)
{
	const struct btf *btf = bpf_object__btf(object);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section = id < 0 ? NULL : btf__type_by_id(btf, id);
	struct bpf_map *map;
	void *memory = NULL;
	size_t size;

	bpf_object__for_each_map(map, object)
		if (strstr(bpf_map__name(map), ".rodata"))
			memory = (void *)bpf_map__initial_value(map, &size);
	for (int i = 0; section && memory && i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *info = &btf_var_secinfos(section)[i];

		set_one(btf__name_by_offset(btf, btf__type_by_id(btf, info->type)->name_off), path,
			(char *)memory + info->offset, info->size);
	}
}
