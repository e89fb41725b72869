/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes to and reads from an array that user space has mapped, and tells where its elements are. */
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
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct value);
} mapped SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct value);
} plain SEC(".maps");

__u32 key;
__u64 address;
__u64 plain_address;
__u64 found;

SEC("tc")
int touch(struct __sk_buff *skb)
{
	__u32 index = key;
	struct value *value = bpf_map_lookup_elem(&mapped, &index);
	struct value *other = bpf_map_lookup_elem(&plain, &index);

	(void)skb;
	if (!value || !other)
		return TC_ACT_SHOT;
	address = (__u64)value;
	plain_address = (__u64)other;
	found = value->word[0];
	value->word[1] = found + 1;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
