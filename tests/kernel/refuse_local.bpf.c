/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refuses what the host sends to the remote at tc egress, in one of several ways, and sees the answer come in. */
#include "refuse.bpf.h"

#define REMOTE bpf_htonl(0xc0000208)
#define MARK 0xba07a

const volatile __u32 l3 = ETH_HLEN;

/* what is done, asked by the probe: nothing, drop, or answer */
__u32 refuse;
__u32 drop;
__u32 answer_with_reset;
__u32 code;
__u32 from_ourselves; /* the source of the ICMP error is the host's own address */

__u32 num_refused;
__u32 num_broken;
__u32 num_returned;

SEC("tc")
int leave(struct __sk_buff *skb)
{
	struct iphdr ip;
	int result;

	if (!refuse || skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, l3, &ip, sizeof(ip)))
		return TC_ACT_OK;
	if (ip.daddr != REMOTE)
		return TC_ACT_OK;
	__sync_fetch_and_add(&num_refused, 1);
	if (drop)
		return TC_ACT_SHOT;
	if (answer_with_reset)
		result = make_tcp_reset(skb, l3);
	else
		result = make_icmp_error(skb, l3, 3, code, from_ourselves ? ip.saddr : ip.daddr);
	if (result) {
		__sync_fetch_and_add(&num_broken, 1);
		return TC_ACT_SHOT;
	}
	return return_to_host(skb, MARK);
}

SEC("tc")
int enter(struct __sk_buff *skb)
{
	if (skb->mark == MARK) {
		__sync_fetch_and_add(&num_returned, 1);
		skb->mark = 0;
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
