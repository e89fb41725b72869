/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tc programs in the kernel with a small table, attached nowhere: a test gives them packets by BPF_PROG_TEST_RUN, and
 * sees what they did to the packet, the counters, the events and the table.
 *
 * The process moves to a network namespace of its own, so that the host's sockets are those that the test opens. The
 * thread's `platform` is the table, so store_find(), table_next() and invariant_check() act on it.
 */
#ifndef TEST_PROG_GATEWAY_H
#define TEST_PROG_GATEWAY_H

#include "../unit/frame.h"
#include "contract.h"
#include "platform.h"
#include "reason.h"
#include "table.h"

#define INTERNAL "192.168.0.5"
#define EXTERNAL "192.0.2.1"
#define REMOTE "198.51.100.8"

/* Interfaces that packets come from. A gateway address is known of the first. */
#define FROM_HOST 0
#define FROM_INTERNAL 7
#define FROM_UNKNOWN 8
#define GATEWAY_ADDR "192.168.0.1"

struct tc;

struct gateway {
	struct tc *programs;
	struct header *header;
	struct bucket *bucket;
	size_t num_entries;
	struct pool *pool; /* NUM_SPACE, of EXTERNAL */
	struct crowd *crowd;
	struct config config;
	__u32 l2_len;
	__u64 counters[NUM_REASON];
	__u64 num_packets;    /* given to the programs since gateway_reset() */
	struct event event;   /* the last one that gateway_take_events() saw */
	__u64 num_suppressed; /* told of by all of them since gateway_reset() */
};

/* What became of a packet. */
struct outcome {
	int action; /* TC_ACT_* */
	enum reason reason;
	__u32 mark;
};

struct CMUnitTest;

/* Runs tests with one gateway at an Ethernet interface, opened before the first of them; returns how many failed. */
int gateway_run_tests(struct gateway *gateway, __u32 num_sessions, const struct CMUnitTest *tests, size_t num_tests);

void gateway_open(struct gateway *gateway, __u32 l2_len, __u32 num_sessions);
/* The same with a clock that stands at 0: time passes by gateway_age() only. */
void gateway_open_stopped(struct gateway *gateway, __u32 l2_len, __u32 num_sessions);

void gateway_close(struct gateway *gateway);

/* An empty table, and the configuration that tests begin with: EXTERNAL is the external address and the only own one,
 * ports 40000-40009, everything is internal.
 */
void gateway_reset(struct gateway *gateway, const char *ranges);

/* Puts gateway->config in force. */
void gateway_configure(struct gateway *gateway);

enum gateway_hook {
	GATEWAY_EGRESS,
	GATEWAY_INGRESS,
};

/* Gives a frame to a program and returns its action. What came out is not looked at, nor how it was counted. */
int gateway_send(struct gateway *gateway, enum gateway_hook hook, const struct frame *frame, __u32 from);

/* Brings gateway->counters up to date. */
void gateway_read_counters(struct gateway *gateway);

/* Gives a frame to a program and puts what came out in its place. Fails unless exactly one counter has counted it. */
struct outcome gateway_egress(struct gateway *gateway, struct frame *frame, __u32 from);
struct outcome gateway_ingress(struct gateway *gateway, struct frame *frame, __u32 mark);

/* The limit of events of a reason, or LIMIT_ICMP. */
void gateway_read_limit(const struct gateway *gateway, __u32 index, struct limit *ret_limit);

void gateway_write_limit(const struct gateway *gateway, __u32 index, const struct limit *limit);

/* The failure number `n` of a ring, since gateway_reset(). */
struct event gateway_failure(const struct gateway *gateway, __u32 ring, __u32 n);

/* How many events there were since the last call. */
int gateway_take_events(struct gateway *gateway);

/* The session or mapping that owns an inbound tuple. */
bool gateway_find(struct gateway *gateway, __u8 proto, struct endpoint external, struct endpoint remote,
		  struct row *ret_row);

/* As if the last packet of each session had been seen this much earlier. */
void gateway_age(struct gateway *gateway, __u32 seconds);

/* Has the sweep program look at every session; returns how many it says it removed. */
__u32 gateway_sweep(struct gateway *gateway, enum sweep_op op);

/* Fails unless the table is as it must be, and the counters add up to the packets. */
void gateway_check(struct gateway *gateway);

/* What the daemon notes of a socket that is bound to an interface, and takes back. */
void gateway_note_bound(const struct gateway *gateway, __u8 proto, __u16 port, bool bound);

bool gateway_is_empty(const struct gateway *gateway);

/* A socket of the host on EXTERNAL:port, of SOCK_STREAM listening. The caller closes it. */
int host_socket(int type, __u16 port);

#endif
