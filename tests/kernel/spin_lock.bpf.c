/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks that stand in a map of their own, and what may be done while one is held. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

struct stripe {
	struct bpf_spin_lock lock;
	__u32 unused[15];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct stripe);
} locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct stripe);
} mapped_locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} table SEC(".maps");

SEC("tc")
int plain_work(struct __sk_buff *skb)
{
	__u32 index = 1;
	struct stripe *stripe = bpf_map_lookup_elem(&locks, &index);
	__u64 *value = bpf_map_lookup_elem(&table, &index);

	(void)skb;
	if (!stripe || !value)
		return TC_ACT_SHOT;
	bpf_spin_lock(&stripe->lock);
	if (*value < 10)
		*value += 1;
	bpf_spin_unlock(&stripe->lock);
	return TC_ACT_OK;
}

/* The loop's function takes and drops the lock itself. */
static long locked_step(__u32 index, void *ctx)
{
	struct stripe *stripe = bpf_map_lookup_elem(&locks, &index);
	__u64 *value = bpf_map_lookup_elem(&table, &index);

	(void)ctx;
	if (!stripe || !value)
		return 1;
	bpf_spin_lock(&stripe->lock);
	*value += 1;
	bpf_spin_unlock(&stripe->lock);
	return 0;
}

SEC("tc")
int lock_in_loop(struct __sk_buff *skb)
{
	(void)skb;
	return bpf_loop(64, locked_step, NULL, 0) == 64 ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("?tc")
int call_a_helper(struct __sk_buff *skb)
{
	__u32 index = 1;
	struct stripe *stripe = bpf_map_lookup_elem(&locks, &index);
	__u64 now;

	(void)skb;
	if (!stripe)
		return TC_ACT_SHOT;
	bpf_spin_lock(&stripe->lock);
	now = bpf_ktime_get_ns();
	bpf_spin_unlock(&stripe->lock);
	return now & 1;
}

SEC("?tc")
int look_up(struct __sk_buff *skb)
{
	__u32 index = 1;
	struct stripe *stripe = bpf_map_lookup_elem(&locks, &index);
	__u64 *value;

	(void)skb;
	if (!stripe)
		return TC_ACT_SHOT;
	bpf_spin_lock(&stripe->lock);
	value = bpf_map_lookup_elem(&table, &index);
	bpf_spin_unlock(&stripe->lock);
	return value ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("?tc")
int second_lock(struct __sk_buff *skb)
{
	__u32 index = 1, next = 2;
	struct stripe *stripe = bpf_map_lookup_elem(&locks, &index);
	struct stripe *other = bpf_map_lookup_elem(&locks, &next);

	(void)skb;
	if (!stripe || !other)
		return TC_ACT_SHOT;
	bpf_spin_lock(&stripe->lock);
	bpf_spin_lock(&other->lock);
	bpf_spin_unlock(&other->lock);
	bpf_spin_unlock(&stripe->lock);
	return TC_ACT_OK;
}

SEC("?syscall")
int in_syscall(void *ctx)
{
	__u32 index = 1;
	struct stripe *stripe = bpf_map_lookup_elem(&locks, &index);

	(void)ctx;
	if (!stripe)
		return 1;
	bpf_spin_lock(&stripe->lock);
	bpf_spin_unlock(&stripe->lock);
	return 0;
}

char _license[] SEC("license") = "GPL";
