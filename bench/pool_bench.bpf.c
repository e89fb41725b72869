/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding a port in a pool, taking it and giving it back, again and again. Run by bench/pool.c. */
#include "pool_bench.h"
#include "create.h"
#include "pool.h"
#include "scratch.h"
#include "socket_here.h"

char _license[] SEC("license") = "GPL";

struct pool_job job;

struct tally {
	struct search *search;
	struct pool *pool;
	struct stripe *stripe;
	__u64 sum;
	__u32 num_found;
};

/* As search_step does, but for asking whether a session or a socket has the tuple. 1 ends the search. */
static __attribute__((noinline)) long next_step(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	struct search *search = tally->search;
	int next;

	(void)n;
	next = search->own_tried ? search_next(search) : search_own(search);
	search->own_tried = 1;
	if (next == CANDIDATE_FREE)
		tally->search->choice = CHOICE_NEW_MAPPING;
	return next == CANDIDATE_FREE || next == CANDIDATE_END;
}

static long none(__u32 n, void *ctx)
{
	struct tally *tally = ctx;

	tally->search->offset = n;
	tally->sum += n;
	tally->num_found++;
	return 0;
}

/* Leaves the port in the session; false if there is none. */
static __always_inline bool find_port(struct tally *tally)
{
	struct search *search = tally->search;

	search->choice = CHOICE_NONE;
	search->offset = 0;
	search_begin(search, SEARCH_UNMAPPED);
	search->own_tried = 0;
	/* as in search_address */
	if (!next_step(0, tally) && !next_step(0, tally))
		bpf_loop(PORT_WORDS + 1 + NUM_PORTS, next_step, tally, 0);
	if (search->choice == CHOICE_NONE)
		return false;
	tally->sum += search->session.external.port;
	tally->num_found++;
	return true;
}

static long find(__u32 n, void *ctx)
{
	(void)n;
	find_port(ctx);
	return 0;
}

static long pair(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	__u16 port;

	(void)n;
	if (!find_port(tally))
		return 0;
	port = be16_to_cpu(tally->search->session.external.port);
	pool_take(tally->pool, port);
	OPTIMIZER_HIDE_VAR(port);
	pool_give(tally->pool, port);
	return 0;
}

static long locked(__u32 n, void *ctx)
{
	struct tally *tally = ctx;
	__u16 port;

	(void)n;
	if (!find_port(tally))
		return 0;
	port = be16_to_cpu(tally->search->session.external.port);
	platform_lock(tally->stripe);
	pool_take(tally->pool, port);
	platform_unlock(tally->stripe);
	platform_lock(tally->stripe);
	pool_give(tally->pool, port);
	platform_unlock(tally->stripe);
	return 0;
}

#define RUN(name)                                                                               \
	SEC("tc") int run_##name(struct __sk_buff *skb)                                         \
	{                                                                                       \
		struct tally tally = { .search = platform_search(),                             \
				       .pool = pool_of(job.session.external.addr, IPPROTO_UDP), \
				       .stripe = platform_stripe(0) };                          \
                                                                                                \
		(void)skb;                                                                      \
		if (!tally.search || !tally.pool || !tally.stripe)                              \
			return 1;                                                               \
		__builtin_memset(tally.search, 0, sizeof(*tally.search));                       \
		tally.search->session = job.session;                                            \
		bpf_loop(job.num, name, &tally, 0);                                             \
		job.num_found += tally.num_found;                                               \
		job.sum += tally.sum;                                                           \
		return 0;                                                                       \
	}

RUN(none)
RUN(find)
RUN(pair)
RUN(locked)
