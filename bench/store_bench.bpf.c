/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store and a hash map of the kernel, under the same operations on the same sessions. Run by bench/store.c. */
#include "store_bench.h"
#include "store_set.h"
#include "store_write.h"

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before load */
	__type(key, struct hash_key);
	__type(value, struct hash_value);
} hash SEC(".maps");

struct store_job job;

/* What the operations found, so that none of them can be left out. */
struct tally {
	__u64 sum;
	__u32 num_done;
	__u32 zero; /* 0, which the compiler does not know */
};

/* The n-th session of this job, and in a job of single entries its direction. With JOB_CHAIN no key is known before the
 * last one's endpoint.
 */
static __always_inline __u32 draw(__u32 n, const struct tally *tally)
{
	n += job.first;
	if (job.chain)
		n += (__u32)tally->sum & tally->zero;
	return set_permute(n, job.mask, job.bits, job.salt);
}

static __always_inline struct key draw_key(__u32 n, const struct tally *tally)
{
	__u32 number = draw(n, tally);
	struct pair pair = set_pair(number >> 1);

	return pair_key(&pair, number & 1 ? ENTRY_INBOUND : 0);
}

static __always_inline struct hash_key hash_key(const struct key *key)
{
	struct hash_key hash_key = {
		.addrs = key->tuple.addrs,
		.ports = key->tuple.ports,
		.proto = key->tuple.proto,
		.direction = key->direction,
	};

	return hash_key;
}

static long none_find(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	struct key key = draw_key(n, tally);

	tally->sum += key.tuple.addrs ^ key.tuple.ports ^ key.tuple.proto ^ key.direction;
	tally->num_done++;
	return 0;
}

static long store_bench_find(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	struct key key = draw_key(n, tally);
	struct found found;

	if (!store_get(&key, &found))
		return 0;
	tally->sum += found.new.addr ^ found.new.port;
	tally->num_done++;
	return 0;
}

static long hash_find(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	struct key key = draw_key(n, tally);
	struct hash_key hkey = hash_key(&key);
	struct hash_value *value = bpf_map_lookup_elem(&hash, &hkey);

	if (!value)
		return 0;
	tally->sum += value->new_addr ^ value->new_port;
	tally->num_done++;
	return 0;
}

static long none_pair(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	struct pair pair = set_pair(draw(n, tally));

	tally->sum += pair.internal.addr ^ pair.internal.port ^ pair.external.addr ^ pair.external.port ^
		      pair.remote.addr ^ pair.remote.port;
	tally->num_done++;
	return 0;
}

static long store_bench_insert(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	struct pair pair = set_pair(draw(n, tally));

	if (set_insert(&pair) == INSERT_DONE)
		tally->num_done++;
	return 0;
}

static long hash_insert(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	struct pair pair = set_pair(draw(n, tally));
	struct key in_key = pair_key(&pair, ENTRY_INBOUND);
	struct key out_key = pair_key(&pair, 0);
	struct hash_key in = hash_key(&in_key);
	struct hash_key out = hash_key(&out_key);
	struct hash_value value = {};

	value.new_addr = pair.internal.addr;
	value.new_port = pair.internal.port;
	if (bpf_map_update_elem(&hash, &in, &value, BPF_NOEXIST))
		return 0;
	value.new_addr = pair.external.addr;
	value.new_port = pair.external.port;
	if (!bpf_map_update_elem(&hash, &out, &value, BPF_NOEXIST))
		tally->num_done++;
	return 0;
}

static long store_bench_remove(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	struct pair pair = set_pair(draw(n, tally));
	struct key key = pair_key(&pair, 0);

	if (store_remove(store_find(&key), &pair, REMOVE_NOW, 0))
		tally->num_done++;
	return 0;
}

static long hash_remove(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	struct pair pair = set_pair(draw(n, tally));
	struct key in_key = pair_key(&pair, ENTRY_INBOUND);
	struct key out_key = pair_key(&pair, 0);
	struct hash_key in = hash_key(&in_key);
	struct hash_key out = hash_key(&out_key);

	if (!bpf_map_delete_elem(&hash, &out) && !bpf_map_delete_elem(&hash, &in))
		tally->num_done++;
	return 0;
}

#define RUN(name)                                          \
	SEC("tc") int run_##name(struct __sk_buff *skb)    \
	{                                                  \
		struct tally tally = { .zero = job.zero }; \
                                                           \
		(void)skb;                                 \
		bpf_loop(job.num, name, &tally, 0);        \
		job.num_done += tally.num_done;            \
		job.sum += tally.sum;                      \
		return 0;                                  \
	}

RUN(none_find)
RUN(none_pair)
RUN(store_bench_find)
RUN(store_bench_insert)
RUN(store_bench_remove)
RUN(hash_find)
RUN(hash_insert)
RUN(hash_remove)
