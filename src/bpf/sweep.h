/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sweep that the daemon drives: ending what has expired, so that all writers play by the same rules. */
#ifndef BAUTA_BPF_SWEEP_H
#define BAUTA_BPF_SWEEP_H

#include "expire.h"
#include "mapping.h"
#include "platform.h"
#include "quota.h"

/* A batch of the sweep, as the data of a test run. */
struct sweep {
	struct __sk_buff *skb;
	const struct config *cfg;
	__u32 op;
	__u32 num_removed;
};

static long sweep_step(__u32 n, void *ctx)
{
	struct sweep *sweep = ctx;
	struct session_room room = {};
	__u32 index;
	bool removed = false;

	if (bpf_skb_load_bytes(sweep->skb, offsetof(struct sweep_request, index) + n * sizeof(index), &index,
			       sizeof(index)))
		return 1;
	switch (sweep->op) {
	case SWEEP_EXPIRE:
		removed = session_mark(sweep->cfg, index) && session_reap(index, EXPIRE_GRACE_S, &room);
		if (!removed)
			mapping_reap(index, sweep->cfg->rest_s);
		break;
	case SWEEP_FLUSH:
		removed = session_remove(index, &room);
		if (!removed)
			mapping_reap(index, 0);
		break;
	case SWEEP_QUOTA:
		removed = quota_reap(index);
		break;
	}
	if (removed)
		sweep->num_removed++;
	return 0;
}

#endif
