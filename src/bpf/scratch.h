/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the hooks may lose: room for a search, which is too large for the stack, the cache of fragmented datagrams, and where
 * their identifications have come to.
 */
#ifndef BAUTA_BPF_SCRATCH_H
#define BAUTA_BPF_SCRATCH_H

#include "create.h"
#include "fragment.h"
#include "ident.h"
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

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NUM_IDENT);
	__type(key, __u32);
	__type(value, __u32);
} idents SEC(".maps");

static __always_inline __u32 *platform_ident(__u32 index)
{
	return bpf_map_lookup_elem(&idents, &index);
}

#define MAX_FRAGMENTED 16384

/* An LRU map will do: what it evicts is a datagram, not a session. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_FRAGMENTED);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
} fragments SEC(".maps");

static __always_inline bool platform_fragment_read(const struct fragment_key *key, struct fragment *ret_fragment)
{
	const struct fragment *fragment = bpf_map_lookup_elem(&fragments, key);

	if (!fragment)
		return false;
	*ret_fragment = *fragment;
	return true;
}

static __always_inline void platform_fragment_write(const struct fragment_key *key, const struct fragment *fragment)
{
	bpf_map_update_elem(&fragments, key, fragment, BPF_ANY);
}

#endif
