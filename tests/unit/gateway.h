/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A gateway in memory that packets are sent through: parser, translator and rewriter over a world, and a host whose
 * sockets are what the test says.
 */
#ifndef TEST_UNIT_GATEWAY_H
#define TEST_UNIT_GATEWAY_H

#include "frame.h"
#include "translate.h"
#include "world.h"

#define INTERNAL "192.168.0.5"
#define OTHER_INTERNAL "192.168.0.6"
#define EXTERNAL "192.0.2.1"
#define REMOTE "198.51.100.8"
#define OTHER_REMOTE "198.51.100.9"

#define MAX_HELD 256

struct gateway {
	struct world world;
	struct tuple held[MAX_HELD]; /* inbound; address and port of the remote 0: any */
	__u32 num_held;
	void (*meanwhile)(struct gateway *gateway); /* what another CPU does while the sockets are asked; called once */
	struct tuple asked;                         /* what they are asked for */
	struct decision decision;                   /* about the last packet */
	struct packet packet;                       /* which is this */
};

/* The external interface has the address EXTERNAL, everything is internal, the ports are those of `ranges`, and filtering is
 * address- and port-dependent.
 */
void gateway_open(struct gateway *gateway, const char *ranges, __u32 num_buckets);

/* Fails if the table is not as it must be. */
void gateway_close(struct gateway *gateway);
void gateway_check(const struct gateway *gateway);

void gateway_set_ranges(struct gateway *gateway, const char *ranges);

/* A socket of the host that receives what `remote` sends to `local`; remote 0.0.0.0:0: it listens. */
void gateway_hold(struct gateway *gateway, __u8 proto, struct endpoint local, struct endpoint remote);

/* Sends a frame through; a translation changes it. */
enum reason gateway_outbound(struct gateway *gateway, struct frame *frame, enum origin origin);
enum reason gateway_inbound(struct gateway *gateway, struct frame *frame);

/* Sends a packet out of an internal endpoint: the reason, and what its source became. */
enum reason gateway_send(struct gateway *gateway, __u8 proto, struct endpoint internal, struct endpoint remote,
			 struct endpoint *ret_external);

/* The life words of the session that owns an outbound tuple; false when there is none. */
bool gateway_read_life(__u8 proto, struct endpoint internal, struct endpoint remote, __u32 *ret_out, __u32 *ret_in);

/* How many references the mapping of an internal endpoint has; 0: there is none. */
__u32 gateway_count_refs(__u8 proto, struct endpoint internal);

/* What the daemon's sweep does in one pass; returns how many sessions went. */
__u32 gateway_sweep(struct gateway *gateway);

#endif
