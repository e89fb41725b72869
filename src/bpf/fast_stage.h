/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The second stage of the fast path: a program of its own, as those of stage.h, for packets that begin something. */
#ifndef BAUTA_BPF_FAST_STAGE_H
#define BAUTA_BPF_FAST_STAGE_H

#include "platform.h"

enum fast_stage {
	FAST_STAGE_CREATE,
	NUM_FAST_STAGE,
};

int bauta_xdp_create(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, NUM_FAST_STAGE);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct xdp_md *));
} fast_stages SEC(".maps") = {
	.values = {
		[FAST_STAGE_CREATE] = (void *)&bauta_xdp_create,
	},
};

/* A packet that has nothing against it but that its session, or what its SYN means to one, is not known. Does not return if xdp
 * may create sessions; if it does, the packet goes up. Only entry points may call it.
 */
static __always_inline void fast_stage_create(struct xdp_md *ctx)
{
	const struct config *cfg = platform_config();

	if (cfg && cfg->fast_create)
		bpf_tail_call(ctx, &fast_stages, FAST_STAGE_CREATE);
}

#endif
