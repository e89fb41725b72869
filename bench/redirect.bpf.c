// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The least that XDP can do to send a frame on: a constant link header and a constant device ("fixed"); and the same with the
 * kernel asked for the next hop of each packet ("fib"). Neither translates anything.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "redirect.h"

#define FAMILY_IPV4 2 /* AF_INET: the C library's headers are not for BPF */

const volatile struct way ways[NUM_PORT];

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, NUM_PORT);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

/* By ifindex. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, NUM_PORT);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

static __always_inline int fixed(struct xdp_md *ctx, enum port port)
{
	__be16 *eth = (void *)(long)ctx->data;

	if ((void *)(eth + ETH_HLEN / 2) > (void *)(long)ctx->data_end || eth[6] != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	for (int i = 0; i < 3; i++) {
		eth[i] = ways[port].destination[i];
		eth[3 + i] = ways[port].source[i];
	}
	return bpf_redirect_map(&ports, port, XDP_PASS);
}

SEC("xdp")
int fixed_outbound(struct xdp_md *ctx)
{
	return fixed(ctx, PORT_EXTERNAL);
}

SEC("xdp")
int fixed_inbound(struct xdp_md *ctx)
{
	return fixed(ctx, PORT_INTERNAL);
}

static __always_inline void take_hop(struct iphdr *ip)
{
	__u32 check = ip->check + bpf_htons(0x0100);

	ip->check = check + (check >= 0xffff);
	ip->ttl--;
}

SEC("xdp")
int fib(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct bpf_fib_lookup params = { .family = FAMILY_IPV4, .ifindex = ctx->ingress_ifindex };

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ttl <= 1)
		return XDP_PASS;
	params.tos = ip->tos;
	params.l4_protocol = ip->protocol;
	params.tot_len = bpf_ntohs(ip->tot_len);
	params.ipv4_src = ip->saddr;
	params.ipv4_dst = ip->daddr;
	if (bpf_fib_lookup(ctx, &params, sizeof(params), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return XDP_PASS;
	take_hop(ip);
	__builtin_memcpy(eth->h_dest, params.dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, params.smac, ETH_ALEN);
	return bpf_redirect_map(&devices, params.ifindex, XDP_PASS);
}

char LICENSE[] SEC("license") = "GPL";
