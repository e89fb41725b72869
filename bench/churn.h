/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the churn's generators, sinks and churn.c share: which sessions there are, and what is counted. */
#ifndef BENCH_CHURN_H
#define BENCH_CHURN_H

#include <linux/types.h>

/*
 * Sessions are numbers; their tuples follow from them (churn_tuple.bpf.h). The first MAX_PROTECTED are kept alive all the time
 * and must never be lost; the others come and go: generators choose among the newest, which move on, and sometimes among
 * those that are about to expire. All generators choose from the same, so packets of one session are on all CPUs at once.
 *
 * Protected sessions are pairs: two internal hosts with the same port toward the same remote. Only one of the two can have its
 * own port outside. The other has a random one, and would have another one if it were lost and made again.
 */
#define MAX_PROTECTED 96
#define NUM_CHURN (1U << 17) /* numbers of the others, before they come again */

#define MAX_GENERATOR 16 /* CPU * 2 + direction */

enum churn_mode {
	CHURN_STEADY, /* UDP sessions 0 to window - 1 of those that come and go, any of them, and nothing else */
	CHURN_KEEP,   /* protected sessions only */
	CHURN_ALL,
};

/* Written before a run. */
struct churn_plan {
	__u32 mode;       /* enum churn_mode */
	__u32 window;     /* most packets are of so many newest sessions */
	__u32 narrow;     /* some of so few */
	__u32 revisit;    /* and some of so many */
	__u32 packets;    /* that a session has on average before it is left */
	__u32 reply_mask; /* what comes out is answered at once if these bits of a random number are 0; ~0: never */
	__u32 fragments;  /* whether some packets are fragments */
	__u32 unused;
	__u64 expected_ns; /* a protected session that was seen so recently must be what it was */
};

struct churn_generator {
	__u64 random;
	__u64 sent;
	__u32 protected_next;
	__u32 unused[11];
} __attribute__((aligned(64)));

/* What the sinks, and the programs around bauta's hooks, count. */
enum churn_count {
	CHURN_OUTSIDE,   /* came out at the far side */
	CHURN_INSIDE,    /* came back inside */
	CHURN_REPLIED,   /* was answered at once */
	CHURN_KEPT,      /* of a protected session, at either side */
	CHURN_LATE,      /* a protected session that nobody sent a packet of for too long: it may be another one */
	CHURN_LOST,      /* one that was, and is another one */
	CHURN_ASTRAY,    /* reached somebody else than it should have */
	CHURN_WRONG,     /* came out from an address that is not the gateway's, or toward another remote */
	CHURN_STRAY,     /* was made by no generator */
	CHURN_TO_EGRESS, /* at the hooks of the external interface: before and behind bauta's programs */
	CHURN_FROM_EGRESS,
	CHURN_TO_INGRESS,
	CHURN_FROM_INGRESS,
	CHURN_UP, /* came in by the internal interface */
	NUM_CHURN_COUNT,
};

#endif
