/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes to the last element of a large array. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

struct value {
	__u64 word[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct value);
} table SEC(".maps");

__u32 key;

SEC("tc")
int touch(struct __sk_buff *skb)
{
	__u32 index = key;
	struct value *value = bpf_map_lookup_elem(&table, &index);

	(void)skb;
	if (!value)
		return TC_ACT_SHOT;
	value->word[0] = 4711;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
