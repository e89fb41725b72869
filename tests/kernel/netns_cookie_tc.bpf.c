/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks for the cookie of the network namespace in a tc program. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

__u64 cookie;

SEC("tc")
int tell(struct __sk_buff *skb)
{
	cookie = bpf_get_netns_cookie(skb);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
