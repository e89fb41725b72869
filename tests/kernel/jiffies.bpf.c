/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells the kernel's two clocks. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

__u64 jiffies;
__u64 nanoseconds;

SEC("tc")
int tell(struct __sk_buff *skb)
{
	(void)skb;
	jiffies = bpf_jiffies64();
	nanoseconds = bpf_ktime_get_ns();
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
