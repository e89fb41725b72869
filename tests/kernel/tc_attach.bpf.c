/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that count the datagrams they see. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

__u32 num_first;
__u32 num_second;
__u32 num_third;

static __always_inline int count(struct __sk_buff *skb, __u32 *counter, int verdict)
{
	struct iphdr ip;

	if (skb->protocol == bpf_htons(ETH_P_IP) && !bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) &&
	    ip.protocol == IPPROTO_UDP)
		__sync_fetch_and_add(counter, 1);
	return verdict;
}

SEC("tc")
int first(struct __sk_buff *skb)
{
	return count(skb, &num_first, TC_ACT_OK);
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	return count(skb, &num_second, TC_ACT_UNSPEC);
}

SEC("tc")
int third(struct __sk_buff *skb)
{
	return count(skb, &num_third, TC_ACT_OK);
}

char _license[] SEC("license") = "GPL";
