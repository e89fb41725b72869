/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refuses what is forwarded to the remote at tc egress and tells its sender by ICMP 3/1. */
#include "refuse.bpf.h"

#define REMOTE bpf_htonl(0xc0000208)
#define GATEWAY bpf_htonl(0xc0a80001)

const volatile __u32 l3 = ETH_HLEN;

__u32 refuse;
__u32 num_refused;
__u32 num_broken;
__u32 num_partial;
__u32 max_len;

static __always_inline void count(struct __sk_buff *skb, const struct iphdr *ip)
{
	int offset = checksum_offset(ip, l3);
	__sum16 field;

	__sync_fetch_and_add(&num_refused, 1);
	if (skb->len > max_len)
		max_len = skb->len;
	if (offset != NO_CHECKSUM && checksum_is_partial(skb, offset, &field) == 1)
		__sync_fetch_and_add(&num_partial, 1);
}

SEC("tc")
int leave(struct __sk_buff *skb)
{
	__u32 client_ifindex = skb->ingress_ifindex;
	struct iphdr ip;

	if (!refuse || skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, l3, &ip, sizeof(ip)))
		return TC_ACT_OK;
	if (ip.daddr != REMOTE || client_ifindex == 0)
		return TC_ACT_OK;
	count(skb, &ip);
	if (make_icmp_error(skb, l3, 3, 1, GATEWAY)) {
		__sync_fetch_and_add(&num_broken, 1);
		return TC_ACT_SHOT;
	}
	return return_to_client(skb, l3, client_ifindex);
}

char _license[] SEC("license") = "GPL";
