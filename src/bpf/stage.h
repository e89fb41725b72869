/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stages of a hook. What a session is there for is done by the program that is attached. Everything else goes on to the
 * next stage by a tail call: a program of its own, which the verifier judges by itself, with the whole stack to it.
 *
 * The array is pinned. Without a pin the kernel would empty it as soon as the daemon ends.
 */
#ifndef BAUTA_BPF_STAGE_H
#define BAUTA_BPF_STAGE_H

#include <linux/pkt_cls.h>

#include "platform.h"
#include "report.h"

enum stage {
	STAGE_EGRESS,
	STAGE_INGRESS,
	NUM_STAGE,
};

int bauta_egress_slow(struct __sk_buff *skb);
int bauta_ingress_slow(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, NUM_STAGE);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} stages SEC(".maps") = {
	.values = {
		[STAGE_EGRESS] = (void *)&bauta_egress_slow,
		[STAGE_INGRESS] = (void *)&bauta_ingress_slow,
	},
};

/* Does not return, but for an array that is empty: then the packet is dropped. Only entry points may call it. */
static __always_inline int stage_go(struct __sk_buff *skb, enum stage stage)
{
	bpf_tail_call(skb, &stages, stage);
	report_count(DROPPED_REWRITE);
	return TC_ACT_SHOT;
}

#endif
