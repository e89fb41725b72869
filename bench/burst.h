/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows toward one remote endpoint, and the bursts of packets in which burst.c sends them. */
#ifndef BENCH_BURST_H
#define BENCH_BURST_H

#include <linux/types.h>

#include "frame.h"

/* Flow f < MAX_FILL occupies a port; flow MAX_FILL + n is the n-th that looks for one. Who they are, user space says. */
#define MAX_FILL 65536
#define MAX_PROBE 4096
#define MAX_FLOW (MAX_FILL + MAX_PROBE)

#define REMOTE_ADDRESS 0xc6120001 /* 198.18.0.1 */
#define REMOTE_PORT 443

struct flow {
	__be16 address[2];
	__be16 port;
	__be16 zero;
};

/* A burst: `warm` packets of flow 0, then one of each flow from `first` to `first` + `num` - 1, then one of flow 0. */
struct burst {
	__u32 warm;
	__u32 first;
	__u32 num;
	__u32 sent;    /* by the generator, in this burst */
	__u32 stamped; /* the generator notes when it makes each packet */
	__u32 arrived; /* packets of flow 0 at the sink outside, in this burst */
	__u32 answers; /* ICMP errors at the sink inside, in this burst */
};

#define MAX_WARM 64
#define MAX_STAMP (MAX_PROBE + MAX_WARM + 1)

#endif
