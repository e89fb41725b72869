/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the translator needs of where it runs, in user space: the tests, the fuzzers, and whoever reads the table. */
#ifndef BAUTA_PLATFORM_H
#define BAUTA_PLATFORM_H

#include <assert.h>
#include <endian.h>
#include <linux/types.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

#include "contract.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define SLOW_PATH static __attribute__((noinline, unused))
#define HOOK void

/* Acquire and release, so that the thread sanitizer judges the order that the code relies on. */
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define WRITE_ONCE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELEASE)

/* The kernel's name: the compiler may assume nothing about the variable from here on. The verifier wants a bound compared as
 * it is written.
 */
#define OPTIMIZER_HIDE_VAR(var) __asm__ volatile("" : "+r"(var))

#define cpu_to_be16(x) htobe16(x)
#define be16_to_cpu(x) be16toh(x)
#define cpu_to_be32(x) htobe32(x)
#define be32_to_cpu(x) be32toh(x)

struct tuple;

struct stripe {
	char locked;
	char unused[63];
};

/* The gateway that this thread's calls act on. Tests fill all of it; a reader of a pinned table fills header, bucket
 * and config.
 */
struct platform {
	struct header *header;
	const struct store_shape *shape; /* NULL: the header's */
	struct bucket *bucket;           /* shape->num_buckets + num_stash of them */
	__u64 *dirty;                    /* a bit for each; NULL: there are none */
	struct config *config;
	struct stripe *stripe; /* NUM_STRIPES of them */
	struct pool *pool;     /* num_pools of them; NULL: there are none */
	__u32 num_pools;
	struct crowd *crowd;           /* NUM_CROWD of them; NULL: there are none */
	struct host_ports *host_ports; /* NUM_HOST_PORTS of them; NULL: there are none */
	struct next_hop *next_hop;     /* NUM_NEXT_HOP of them; NULL: there are none */
	__u64 ticks;
	__u32 now;
	__u64 random;                                                    /* state of the generator: the seed */
	bool (*host_holds)(void *hook, const struct tuple *inbound);     /* NULL: the host has no sockets */
	bool (*host_connected)(void *hook, const struct tuple *inbound); /* NULL: none of them has a remote */
};

extern __thread struct platform platform;

static __always_inline const volatile struct store_shape *platform_shape(void)
{
	assert(platform.header); /* whoever looks into a table has opened it */
	return platform.shape ? platform.shape : &platform.header->shape;
}

static __always_inline struct bucket *platform_bucket(__u32 index)
{
	const volatile struct store_shape *shape = platform_shape();

	return index < shape->num_buckets + shape->num_stash ? &platform.bucket[index] : NULL;
}

static __always_inline __u64 *platform_dirty(__u32 word)
{
	return platform.dirty ? &platform.dirty[word] : NULL;
}

static __always_inline struct header *platform_header(void)
{
	return platform.header;
}

static __always_inline const struct config *platform_config(void)
{
	return platform.config;
}

static __always_inline struct pool *platform_pool(__u32 index)
{
	return index < platform.num_pools ? &platform.pool[index] : NULL;
}

static __always_inline struct crowd *platform_crowd(__u32 index)
{
	return platform.crowd && index < NUM_CROWD ? &platform.crowd[index] : NULL;
}

static __always_inline struct host_ports *platform_host_ports(__u32 space)
{
	return platform.host_ports && space < 2 ? &platform.host_ports[space] : NULL;
}

static __always_inline struct next_hop *platform_next_hop(__u32 index)
{
	return platform.next_hop && index < NUM_NEXT_HOP ? &platform.next_hop[index] : NULL;
}

static __always_inline struct stripe *platform_stripe(__u32 index)
{
	return index < NUM_STRIPES ? &platform.stripe[index] : NULL;
}

static __always_inline void platform_lock(struct stripe *stripe)
{
	while (__atomic_test_and_set(&stripe->locked, __ATOMIC_ACQUIRE))
		sched_yield(); /* unlike in the kernel, its holder may have lost the CPU */
}

static __always_inline void platform_unlock(struct stripe *stripe)
{
	__atomic_clear(&stripe->locked, __ATOMIC_RELEASE);
}

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
	return __atomic_exchange_n(word, new, __ATOMIC_SEQ_CST);
}

static __always_inline void platform_add32(__u32 *word, __s32 num)
{
	__sync_fetch_and_add(word, num);
}

static __always_inline void platform_add64(__u64 *word, __s64 num)
{
	__sync_fetch_and_add(word, num);
}

static __always_inline __u32 platform_take32(__u32 *word, __u32 num)
{
	return __atomic_fetch_add(word, num, __ATOMIC_SEQ_CST);
}

static __always_inline __u64 platform_take64(__u64 *word, __u64 num)
{
	return __atomic_fetch_add(word, num, __ATOMIC_SEQ_CST);
}

static __always_inline void platform_or64(__u64 *word, __u64 bits)
{
	__atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}

static __always_inline void platform_and64(__u64 *word, __u64 bits)
{
	__atomic_fetch_and(word, bits, __ATOMIC_SEQ_CST);
}

static __always_inline __u64 platform_ticks(void)
{
	return platform.ticks;
}

static __always_inline __u32 platform_now(void)
{
	return platform.now;
}

/* xorshift64*: reproducible from the printed seed. */
static __always_inline __u32 platform_random(void)
{
	platform.random ^= platform.random >> 12;
	platform.random ^= platform.random << 25;
	platform.random ^= platform.random >> 27;
	return (platform.random * 0x2545f4914f6cdd1dull) >> 32;
}

static __always_inline void platform_loop(__u32 num, long (*step)(__u32 index, void *ctx), void *ctx)
{
	for (__u32 i = 0; i < num; i++)
		if (step(i, ctx))
			return;
}

/* Room for a search of this thread. */
struct search *platform_search(void);

/* The counter of identifications with this number, of this thread. */
__u32 *platform_ident(__u32 index);

/* The cache of fragmented datagrams, of this thread: it holds the newest few. */
struct fragment_key;
struct fragment;
bool platform_fragment_read(const struct fragment_key *key, struct fragment *ret_fragment);
void platform_fragment_write(const struct fragment_key *key, const struct fragment *fragment);

/* There is no verifier here. */
static __always_inline __u32 platform_blur(__u32 value, __u32 num)
{
	return value & (num - 1);
}

static __always_inline bool platform_host_holds(void *hook, const struct tuple *inbound)
{
	return platform.host_holds && platform.host_holds(hook, inbound);
}

static __always_inline bool platform_host_connected(void *hook, const struct tuple *inbound)
{
	return platform.host_connected && platform.host_connected(hook, inbound);
}

#endif
