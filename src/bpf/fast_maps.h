/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maps of the fast path that several objects use. */
#ifndef BAUTA_BPF_FAST_MAPS_H
#define BAUTA_BPF_FAST_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "contract.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NUM_FAST_LINK);
	__type(key, __u32);
	__type(value, struct fast_link);
} fast_links SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NUM_FAST_REASON);
	__type(key, __u32);
	__type(value, __u64);
} fast_counters SEC(".maps");

#endif
