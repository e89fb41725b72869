/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counting frames that the fast path has sent and a driver did not take: its queue was full, or the way was closed. XDP
 * redirects in bulk, after its program has returned, and the kernel drops in silence what is left; only its tracepoints tell.
 * They are the whole machine's, so that frames of other network namespaces and of other programs are sorted out here.
 */
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "fast_maps.h"

char license_text[] SEC("license") = "GPL";

/* Of the network namespace. Set before load. */
const volatile __u64 netns_cookie;

/* What is needed of the kernel's own records, wherever it keeps that. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct net {
	__u64 net_cookie;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
};
#pragma clang attribute pop

/* Frames that came in by an interface of ours. */
static __always_inline void count_lost(const struct net_device *from, __u64 num)
{
	__u32 ifindex = from->ifindex, index = ifindex % NUM_FAST_LINK, reason = FAST_LOST;
	const struct fast_link *link = bpf_map_lookup_elem(&fast_links, &index);
	__u64 *counter;

	if (!link || link->ifindex != ifindex || from->nd_net.net->net_cookie != netns_cookie)
		return;
	counter = bpf_map_lookup_elem(&fast_counters, &reason);
	if (counter)
		*counter += num;
}

/* A bulk was handed to a driver, which took `sent` of it. */
SEC("tp_btf/xdp_devmap_xmit")
int bauta_lost_xmit(const __u64 *args) /* from, to, sent, drops, err */
{
	int drops = args[3];

	if (drops > 0)
		count_lost((const struct net_device *)args[0], drops);
	return 0;
}

/* A frame did not get as far: its way is down, or takes no frames any more. */
SEC("tp_btf/xdp_redirect_err")
int bauta_lost_redirect(const __u64 *args) /* from, … */
{
	count_lost((const struct net_device *)args[0], 1);
	return 0;
}
