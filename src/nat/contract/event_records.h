/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the hooks have to tell: events, failures, and SYNs that wait to be answered. Read contract.h first. */
#ifndef BAUTA_CONTRACT_EVENT_RECORDS_H
#define BAUTA_CONTRACT_EVENT_RECORDS_H

#include <linux/types.h>
#include <stddef.h>

#include "contract/verdict.h"

/* ---- unsolicited SYNs ------------------------------------------------------------------------------------------ */

/* SYNs from outside that nobody has asked for wait here to be answered, each once, however often it is repeated. When there are
 * so many, further ones are not answered.
 */
#define MAX_UNSOLICITED 4096
#define UNSOLICITED_QUOTE 128 /* the longest headers have 120 */

struct unsolicited_key {
	__be32 remote;
	__be32 external;
	__be16 remote_port;
	__be16 external_port;
};
_Static_assert(sizeof(struct unsolicited_key) == 12, "no padding");

struct unsolicited_syn {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 len;
	__u32 unused;
	__u8 quote[UNSOLICITED_QUOTE]; /* its first bytes, from the IP header on, as it came */
};
_Static_assert(sizeof(struct unsolicited_syn) == 144, "no padding");

/* ---- limits and events ----------------------------------------------------------------------------------------- */

/* How often something was done in the current second of CLOCK_MONOTONIC, and how often it was left undone since the last
 * time it was done: beyond its limit, or because the ring of events was full. The daemon takes `suppressed` when nothing more
 * comes. Index: enum reason for events, LIMIT_ICMP for ICMP errors.
 */
struct limit {
	__u32 second;
	__u32 done;
	__u32 suppressed;
	__u32 suppressed_ever;
};

#define LIMIT_ICMP NUM_REASON
#define NUM_LIMIT (NUM_REASON + 1)
#define LIMIT_EVENTS_PER_S 10
#define LIMIT_ICMP_PER_S 1000

enum owner_kind {
	OWNER_NONE,    /* nobody in particular: the whole range was tried */
	OWNER_SESSION, /* `owner_addr`:`owner_port` holds the tuple */
	OWNER_HOST,    /* a socket of the host holds it */
};

/* Something an operator should hear of, or a failure that is kept. Tuple as the packet carried it, or as it would have, zero as
 * far as it could not be parsed; external 0 when none was given. Of a denied call: the process that made it.
 */
#define COMM_LEN 16 /* as in the kernel's task_struct */

struct event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 suppressed;
	__u8 reason;
	__u8 proto;
	__u8 owner; /* enum owner_kind */
	__u8 from_host;
	__be32 src;
	__be32 dst;
	__be16 sport;
	__be16 dport;
	__be32 external;
	__be16 external_port;
	__be16 owner_port;
	__be32 owner_addr;
	__u32 pid; /* 0: not known */
	char comm[COMM_LEN];
	__u8 inbound; /* the packet came from outside: its source is the remote */
	__u8 unused[3];
};
_Static_assert(sizeof(struct event) == 64, "events have no hidden padding");

/* Every failure is kept, whatever the limits, until FAILURE_RING_SIZE newer ones of its kind have come: a ring for each reason
 * from REFUSED_PROTOCOL on, and ring 0 for all packets that were dropped. header.num_failures says how far each has come.
 */
#define FAILURE_RING_SIZE 4096

#endif
