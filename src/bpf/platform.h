/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the translator needs of where it runs, in the kernel: maps, locks, atomics, clock, random numbers, sockets. */
#ifndef BAUTA_PLATFORM_H
#define BAUTA_PLATFORM_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "contract.h"

/* A function that is called once a session, not once a packet. The verifier judges it by itself, whoever calls it; so it
 * has to check its pointer arguments, and may have no more than five arguments.
 */
#define SLOW_PATH __attribute__((noinline))

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))

/* The kernel's name: the compiler may assume nothing about the variable from here on. The verifier wants a bound compared as
 * it is written.
 */
#define OPTIMIZER_HIDE_VAR(var) __asm__ volatile("" : "+r"(var))

/* A number below `num`, a power of two up to 128, of which the verifier knows no more than that. It follows a value that it
 * knows along a path of its own; so a slot that was found becomes as many paths as there are slots, each through all that
 * follows. One octet in the middle of a word of the stack is what it does not keep track of; and a zero there it does, hence
 * the 1.
 */
static __always_inline __u32 platform_blur(__u32 value, __u32 num)
{
	volatile __u8 word[8];

	word[1] = value + 1;
	return (word[1] - 1) & (num - 1);
}

#define cpu_to_be16(x) bpf_htons(x)
#define be16_to_cpu(x) bpf_ntohs(x)
#define cpu_to_be32(x) bpf_htonl(x)
#define be32_to_cpu(x) bpf_ntohl(x)

struct tuple;

struct stripe {
	struct bpf_spin_lock lock;
	__u32 unused[15]; /* a cache line each */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set before load */
	__type(key, __u32);
	__type(value, struct bucket);
} store SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* a bit for each bucket of the store: set before load */
	__type(key, __u32);
	__type(value, __u64);
} dirty SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NUM_STRIPES);
	__type(key, __u32);
	__type(value, struct stripe);
} locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct header);
} header SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NUM_CONFIG_SLOT);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NUM_SPACE); /* as many for each external address: set before load */
	__type(key, __u32);
	__type(value, struct pool);
} pools SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NUM_CROWD);
	__type(key, __u32);
	__type(value, struct crowd);
} crowds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NUM_HOST_PORTS);
	__type(key, __u32);
	__type(value, struct host_ports);
} host_ports SEC(".maps");

/* Copies of the header's shape and clock, set before load, so that the verifier sees constants. */
const volatile struct store_shape shape;
const volatile __u64 clock_mult;

static __always_inline const volatile struct store_shape *platform_shape(void)
{
	return &shape;
}

static __always_inline struct bucket *platform_bucket(__u32 index)
{
	return bpf_map_lookup_elem(&store, &index);
}

static __always_inline __u64 *platform_dirty(__u32 word)
{
	return bpf_map_lookup_elem(&dirty, &word);
}

static __always_inline struct header *platform_header(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&header, &zero);
}

static __always_inline const struct config *platform_config(void)
{
	struct header *head = platform_header();
	__u32 slot;

	if (!head)
		return NULL;
	slot = READ_ONCE(head->config_slot);
	return bpf_map_lookup_elem(&config, &slot);
}

/* NULL for a number that is not there. */
static __always_inline struct pool *platform_pool(__u32 index)
{
	return bpf_map_lookup_elem(&pools, &index);
}

static __always_inline struct crowd *platform_crowd(__u32 index)
{
	return bpf_map_lookup_elem(&crowds, &index);
}

static __always_inline struct host_ports *platform_host_ports(__u32 space)
{
	return bpf_map_lookup_elem(&host_ports, &space);
}

static __always_inline struct stripe *platform_stripe(__u32 index)
{
	return bpf_map_lookup_elem(&locks, &index);
}

/* No call of any kind may be made between these two. */
static __always_inline void platform_lock(struct stripe *stripe)
{
	bpf_spin_lock(&stripe->lock);
}

static __always_inline void platform_unlock(struct stripe *stripe)
{
	bpf_spin_unlock(&stripe->lock);
}

/* Full barriers, both; return what was there before. */
static __always_inline __u32 platform_cmpxchg(__u32 *word, __u32 old, __u32 new)
{
	return __sync_val_compare_and_swap(word, old, new);
}

static __always_inline __u64 platform_cmpxchg64(__u64 *word, __u64 old, __u64 new)
{
	return __sync_val_compare_and_swap(word, old, new);
}

static __always_inline __u32 platform_xchg(__u32 *word, __u32 new)
{
	return __sync_lock_test_and_set(word, new);
}

static __always_inline void platform_add32(__u32 *word, __s32 num)
{
	__sync_fetch_and_add(word, num);
}

static __always_inline void platform_add64(__u64 *word, __s64 num)
{
	__sync_fetch_and_add(word, num);
}

/* Full barriers, both; return what was there before. */
static __always_inline __u32 platform_take32(__u32 *word, __u32 num)
{
	return __sync_fetch_and_add(word, num);
}

static __always_inline __u64 platform_take64(__u64 *word, __u64 num)
{
	return __sync_fetch_and_add(word, num);
}

static __always_inline void platform_or64(__u64 *word, __u64 bits)
{
	__sync_fetch_and_or(word, bits);
}

static __always_inline void platform_and64(__u64 *word, __u64 bits)
{
	__sync_fetch_and_and(word, bits);
}

/* The kernel's own ticks: jiffies. */
static __always_inline __u64 platform_ticks(void)
{
	return bpf_jiffies64();
}

/* Seconds of the gateway's clock. */
static __always_inline __u32 platform_now(void)
{
	return (bpf_jiffies64() * clock_mult) >> CLOCK_SHIFT;
}

static __always_inline __u32 platform_random(void)
{
	return bpf_get_prandom_u32();
}

/* Calls `step(index, ctx)` for index 0 .. num-1 until it returns non-zero. */
static __always_inline void platform_loop(__u32 num, long (*step)(__u32 index, void *ctx), void *ctx)
{
	bpf_loop(num, step, ctx, 0);
}

/* Room for a search on this CPU (scratch.h): the stack has 512 bytes for all functions that call each other. A hook runs
 * with softirqs off from its begin to its end, so no other search can come between.
 */
static __always_inline struct search *platform_search(void);

/* The next hop with this number; NULL: there are no records (next_hop.h). */
static __always_inline struct next_hop *platform_next_hop(__u32 index);

/* The counter of identifications with this number (scratch.h). */
static __always_inline __u32 *platform_ident(__u32 index);

/* The cache of fragmented datagrams (scratch.h). */
struct fragment_key;
struct fragment;
static __always_inline bool platform_fragment_read(const struct fragment_key *key, struct fragment *ret_fragment);
static __always_inline void platform_fragment_write(const struct fragment_key *key, const struct fragment *fragment);

/* Whether a socket of the host would receive a packet with this inbound tuple: connected, listening, bound, in
 * TIME_WAIT or half open. `hook` is the hook's own context.
 */
static __always_inline bool platform_host_holds(void *hook, const struct tuple *inbound);

/* Whether that socket has this very remote: it neither listens nor is bound only. */
static __always_inline bool platform_host_connected(void *hook, const struct tuple *inbound);

/* The context of the hook that an object is for: an XDP object defines it before it includes anything. */
#ifndef HOOK
#define HOOK struct __sk_buff
#endif

#endif
