/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Atomic operations on the elements of a map, with what they give back. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

struct value {
	__u64 wide;
	__u32 narrow;
	__u32 neighbour;
	__u64 counter;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct value);
} table SEC(".maps");

__u64 was64[6];
__u32 was32[6];

SEC("tc")
int operate(struct __sk_buff *skb)
{
	__u32 index = 0;
	struct value *value = bpf_map_lookup_elem(&table, &index);

	(void)skb;
	if (!value)
		return TC_ACT_SHOT;
	was64[0] = __sync_val_compare_and_swap(&value->wide, 1, 2);
	was64[1] = __sync_val_compare_and_swap(&value->wide, 1, 3);
	was64[2] = __sync_lock_test_and_set(&value->wide, 0xf0);
	was64[3] = __sync_fetch_and_or(&value->wide, 0x0f);
	was64[4] = __sync_fetch_and_and(&value->wide, 0x3c);
	was64[5] = __sync_fetch_and_add(&value->wide, 1ULL << 40);

	was32[0] = __sync_val_compare_and_swap(&value->narrow, 1, 2);
	was32[1] = __sync_val_compare_and_swap(&value->narrow, 1, 3);
	was32[2] = __sync_lock_test_and_set(&value->narrow, 0xf0);
	was32[3] = __sync_fetch_and_or(&value->narrow, 0x0f);
	was32[4] = __sync_fetch_and_and(&value->narrow, 0x3c);
	was32[5] = __sync_fetch_and_add(&value->narrow, 0xffffffff);
	return TC_ACT_OK;
}

SEC("tc")
int count(struct __sk_buff *skb)
{
	__u32 index = 0;
	struct value *value = bpf_map_lookup_elem(&table, &index);
	__u64 was, seen;

	(void)skb;
	if (!value)
		return TC_ACT_SHOT;
	/* as a packet does it that must win against the sweep */
	was = value->counter;
	for (int i = 0; i < 1000; i++) {
		seen = __sync_val_compare_and_swap(&value->counter, was, was + 1);
		if (seen == was)
			return TC_ACT_OK;
		was = seen;
	}
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
