/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts packets in a map that somebody else will find. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} adopted SEC(".maps");

SEC("tc")
int count_packets(struct __sk_buff *skb)
{
	__u32 index = 0;
	__u64 *count = bpf_map_lookup_elem(&adopted, &index);

	(void)skb;
	if (count)
		__sync_fetch_and_add(count, 1);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
