/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is too large for the stack, one for each CPU. */
#ifndef BAUTA_BPF_SCRATCH_H
#define BAUTA_BPF_SCRATCH_H

#include "create.h"
#include "platform.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct search);
} search_scratch SEC(".maps");

static __always_inline struct search *platform_search(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&search_scratch, &zero);
}

#endif
