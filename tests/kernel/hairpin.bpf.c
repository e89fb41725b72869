/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sends what one client sends to the machine's external address to another, at tc ingress, and as if from that address. */
#include "refuse.bpf.h"

#define EXTERNAL bpf_htonl(0xc0000201)
#define FAMILY_IPV4 2

const volatile __u32 l3 = ETH_HLEN;

__be32 one; /* whoever is not the other */
__be32 other;
__u32 use_gateway; /* the next hop is what bpf_fib_lookup says; else the kernel looks again */
__u32 tot_len;
__s64 fib_result;
__u32 fib_ifindex;
__u32 fib_mtu;
__be32 fib_gateway;
__u32 num_sent;
__u32 num_broken;
__u32 num_partial;
__u32 max_len;

/* TCP and UDP. */
static __always_inline int replace(struct __sk_buff *skb, const struct iphdr *ip, __u32 offset, __be32 old, __be32 new,
				   __u32 at)
{
	__u64 flags = BPF_F_PSEUDO_HDR | sizeof(__be32) | (ip->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0);

	if (bpf_l4_csum_replace(skb, offset, old, new, flags))
		return -1;
	if (bpf_l3_csum_replace(skb, l3 + offsetof(struct iphdr, check), old, new, sizeof(__be32)))
		return -1;
	return bpf_skb_store_bytes(skb, l3 + at, &new, sizeof(new), 0);
}

static __always_inline int find_way(struct __sk_buff *skb, __be32 target)
{
	struct bpf_fib_lookup params = {
		.family = FAMILY_IPV4,
		.ifindex = skb->ifindex,
		.ipv4_src = EXTERNAL,
		.ipv4_dst = target,
		.tot_len = tot_len,
	};
	struct bpf_redir_neigh next = { .nh_family = FAMILY_IPV4 };
	long result;

	result = bpf_fib_lookup(skb, &params, sizeof(params), 0);
	fib_ifindex = params.ifindex;
	fib_mtu = params.mtu_result;
	fib_gateway = params.ipv4_dst;
	*(volatile __s64 *)&fib_result = result; /* last: it is waited for */
	if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH)
		return TC_ACT_SHOT;
	next.ipv4_nh = params.ipv4_dst;
	if (use_gateway)
		return bpf_redirect_neigh(params.ifindex, &next, sizeof(next), 0);
	return bpf_redirect_neigh(params.ifindex, NULL, 0, 0);
}

SEC("tc")
int enter(struct __sk_buff *skb)
{
	struct iphdr ip;
	__sum16 field;
	__be32 target;
	int offset;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, l3, &ip, sizeof(ip)))
		return TC_ACT_OK;
	offset = checksum_offset(&ip, l3);
	if (ip.daddr != EXTERNAL || offset == NO_CHECKSUM)
		return TC_ACT_OK;
	target = ip.saddr == one ? other : one;
	if (skb->len > max_len)
		max_len = skb->len;
	if (checksum_is_partial(skb, offset, &field) == 1)
		__sync_fetch_and_add(&num_partial, 1);
	if (replace(skb, &ip, offset, ip.saddr, EXTERNAL, offsetof(struct iphdr, saddr)) ||
	    replace(skb, &ip, offset, ip.daddr, target, offsetof(struct iphdr, daddr)) ||
	    (!l3 && bpf_skb_change_head(skb, ETH_HLEN, 0))) {
		__sync_fetch_and_add(&num_broken, 1);
		return TC_ACT_SHOT;
	}
	__sync_fetch_and_add(&num_sent, 1);
	return find_way(skb, target);
}

char _license[] SEC("license") = "GPL";
