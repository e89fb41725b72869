/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bench/pool.c and its BPF programs share. */
#ifndef BENCH_POOL_BENCH_H
#define BENCH_POOL_BENCH_H

#include <linux/types.h>

#include "store.h"

/* A run of `num` times the same. Written by user space before, by the program after. */
struct pool_job {
	__u32 num;
	__u32 num_found;
	struct pair session; /* who is to have a port; its own is none of the ranges */
	__u64 sum;           /* of what came out, so that none of it can be left out */
};

#endif
