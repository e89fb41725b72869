/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether exactly those ports are marked as used in the pools that have a mapping. */
#include "pool_check.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>

#include "endpoint.h"
#include "mapping.h"
#include "platform.h"
#include "words.h"

size_t pool_check_bytes(void)
{
	return (size_t)platform.num_pools * PORT_WORDS * sizeof(__u64);
}

static __u64 *mapped_word(__u64 *mapped, __u32 pool, __u32 port)
{
	return &mapped[(size_t)pool * PORT_WORDS + port / 64];
}

void pool_check_note(__u64 *mapped, const struct entry *entry)
{
	__u32 pool = mapped ? pool_index(entry->dst, entry->proto) : INDEX_NONE;
	__u32 port = be16_to_cpu(entry->dport);

	if (pool < platform.num_pools)
		__atomic_fetch_or(mapped_word(mapped, pool, port), 1ull << port % 64, __ATOMIC_RELAXED);
}

static const __u8 proto_of_space[NUM_SPACE] = {
	[SPACE_TCP] = IPPROTO_TCP,
	[SPACE_UDP] = IPPROTO_UDP,
	[SPACE_ICMP] = IPPROTO_ICMP,
};

static bool has_mapping(__be32 addr, __u8 proto, __u32 port)
{
	struct pair mapping;

	return mapping_find_external(proto, addr, cpu_to_be16(port), &mapping);
}

/* Leaves of the ports in `suspect` those that are marked as used and have no mapping; how many these are. */
static __u32 look_at_pool(const struct pool *pool, __be32 addr, __u8 proto, __u64 suspect[PORT_WORDS])
{
	__u32 num = 0;

	for (__u32 word = 0; word < PORT_WORDS; word++)
		for (__u64 left = suspect[word]; left; left &= left - 1) {
			__u32 port = word * 64 + __builtin_ctzll(left);

			if (bitmap_has(pool->used, port) && !has_mapping(addr, proto, port))
				num++;
			else
				suspect[word] &= ~(1ull << port % 64);
		}
	return num;
}

static void check_one(struct violations *violations, __u64 *mapped, __u32 number, __be32 addr, __u8 proto)
{
	const struct pool *pool = platform_pool(number);
	char endpoint[ENDPOINT_TEXT], text[128];
	__u64 suspect[PORT_WORDS];

	for (__u32 word = 0; pool && word < PORT_WORDS; word++)
		suspect[word] = READ_ONCE(pool->used[word]) & ~(mapped ? *mapped_word(mapped, number, word * 64) : 0);
	for (int i = 0; i < VIOLATION_LOOKS; i++) {
		if (!pool || !look_at_pool(pool, addr, proto, suspect))
			return;
		violation_pause();
	}
	for (__u32 port = 0; port < NUM_PORTS; port++) {
		struct endpoint external = { .addr = addr, .port = cpu_to_be16(port) };

		if (!bitmap_has(suspect, port))
			continue;
		snprintf(text, sizeof(text), "%s %s is marked as used, and has no mapping", proto_name(proto),
			 endpoint_format(external, endpoint));
		violation_tell(violations, RULE_POOL, INDEX_NONE, text);
	}
}

void pool_check(struct violations *violations, __u64 *mapped)
{
	struct header *header = platform_header();

	for (__u32 i = 0; i < MAX_EXTERNAL && i < header->num_pool_addrs; i++)
		for (__u32 space = 0; space < NUM_SPACE && header->pool_addr[i]; space++)
			check_one(violations, mapped, i * NUM_SPACE + space, header->pool_addr[i],
				  proto_of_space[space]);
}
