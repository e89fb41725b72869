/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Notes how a tagged frame looks at tc. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tc_vlan.h"

struct view entering;
struct view leaving;
__u32 wanted_len;

static __always_inline void note(struct __sk_buff *skb, struct view *view)
{
	struct ethhdr eth;

	if (skb->len < wanted_len || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return;
	view->num_seen++;
	view->protocol = bpf_ntohs(skb->protocol);
	view->vlan_present = skb->vlan_present;
	view->vlan_tci = skb->vlan_tci;
	view->ethertype = bpf_ntohs(eth.h_proto);
}

SEC("tc")
int enter(struct __sk_buff *skb)
{
	note(skb, &entering);
	return TC_ACT_OK;
}

SEC("tc")
int leave(struct __sk_buff *skb)
{
	note(skb, &leaving);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
