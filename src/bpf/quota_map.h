/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of internal hosts that have a quota: in the kernel, a hash that takes memory only for those there are. */
#ifndef BAUTA_BPF_QUOTA_MAP_H
#define BAUTA_BPF_QUOTA_MAP_H

#include <linux/errno.h>

#include "platform.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_QUOTA_HOST);
	__type(key, __be32);
	__type(value, struct quota);
} quotas SEC(".maps");

static __always_inline struct quota *platform_quota_find(__be32 addr)
{
	return bpf_map_lookup_elem(&quotas, &addr);
}

/* 0, -EEXIST, or that there is no room. */
static __always_inline long platform_quota_add(const struct quota *quota)
{
	return bpf_map_update_elem(&quotas, &quota->addr, quota, BPF_NOEXIST);
}

static __always_inline void platform_quota_remove(__be32 addr)
{
	bpf_map_delete_elem(&quotas, &addr);
}

#endif
