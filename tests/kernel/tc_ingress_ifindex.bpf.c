/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Notes which interface a packet of a given protocol came in by, at tc egress. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

__u32 protocol;
__u32 num_seen;
__u32 ingress_ifindex;
__u32 ifindex;

SEC("tc")
int leave(struct __sk_buff *skb)
{
	struct iphdr ip;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return TC_ACT_OK;
	if (ip.protocol != protocol)
		return TC_ACT_OK;
	ingress_ifindex = skb->ingress_ifindex;
	ifindex = skb->ifindex;
	num_seen++;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
