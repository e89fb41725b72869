/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The set of sessions and the generator's state, as the generator, the sinks and traffic.c agree on them. */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <linux/types.h>

#include "frame.h"

/*
 * The set of sessions. Session s of N (a power of two) is the pair of
 *   remote            r = s mod R, R = min(N, 32):  198.18.0.1 … .8, ports 443 … 446 (beyond 2^20: R = N / 2^15, more ports)
 *   internal endpoint e = s div R:                  host h = e mod 256 at 10.1.0.0 + h, j = e div 256,
 *                                                   port 1024 + (offset(h) + 509 j) mod 64512
 * 509 shares no factor with 64512, so a host never repeats a port, and every session is a 5-tuple of its own; offset(h)
 * is a hash, so ports of different hosts meet by chance, as they do behind a real gateway. One million
 * sessions or more are 32,768 internal endpoints: they fit the ports of one external address even if each endpoint keeps
 * one for itself.
 */
#define MAX_SESSIONS (1U << 22)
#define USUAL_REMOTES 32
#define MAX_ENDPOINTS (1U << 15)
#define NUM_HOSTS 256
#define FIRST_PORT 1024
#define NUM_PORTS 64512

/* The external ports of so many sessions side by side, as the sink outside saw them; 0: nothing seen yet. Two bytes a session, so
 * that what the generator has to read takes little of the caches from what is measured. The address is one for all.
 */
#define LEARNED_PORTS 4

struct learned_ports {
	__be16 port[LEARNED_PORTS];
};
_Static_assert(sizeof(struct learned_ports) == 8, "what an array map holds without gaps");

enum order {
	ORDER_FIRST,     /* session 0, always */
	ORDER_EACH_ONCE, /* all sessions, scattered, none twice before every other had its turn */
	ORDER_RANDOM,    /* any session, each packet anew */
};

/*
 * The generator's state. There is one generator; only it writes random, sent and next while it runs. User space sets all
 * before, and changes order meanwhile.
 */
struct generator {
	__u64 random;
	__u64 sent;
	__u32 next;
	__u32 session_mask;
	__u32 remote_mask;
	__u32 remote_shift;
	__u32 order; /* enum order */
	__u32 frame_bytes;
};

enum sink_count {
	SINK_DELIVERED, /* frames of the generator, dropped here */
	SINK_STRAY,     /* anything else, frames of another length, too: passed on */
	NUM_SINK_COUNTS,
};

#define CAPTURE_FRAMES 4096

#endif
