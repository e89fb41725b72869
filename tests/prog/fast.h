/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The xdp program in the kernel, on the table of a gateway (gateway.h): a test gives it frames as if they came in by an
 * interface, and sees what became of them.
 *
 * There are two interfaces, and a VLAN of each. The default route and the neighbours at both are known; a test changes them with
 * wires_ip().
 */
#ifndef TEST_PROG_FAST_H
#define TEST_PROG_FAST_H

#include "gateway.h"

#define INSIDE "inside0"
#define OUTSIDE "outside0"
#define INSIDE_VLAN_ID 7
#define OUTSIDE_VLAN_ID 9
#define INSIDE_VLAN "inside0.7"
#define OUTSIDE_VLAN "outside0.9"

#define VLAN_INTERNAL "192.168.7.5" /* a host in INSIDE_VLAN */

/* The MAC addresses of the interfaces, also of their VLANs, and of the neighbours there. */
#define INSIDE_MAC "02:00:00:00:01:01"
#define OUTSIDE_MAC "02:00:00:00:02:01"
#define INTERNAL_MAC "02:00:00:00:01:05"
#define ROUTER_MAC "02:00:00:00:02:fe"
#define ROUTER_ADDR "192.0.2.254"

struct xdp;

struct fast {
	struct gateway *gateway;
	struct xdp *programs;
	__u32 inside, outside; /* interfaces */
	__u64 counters[NUM_FAST_REASON];
};

struct fast_outcome {
	int action; /* XDP_* */
	enum fast_reason reason;
};

/* Loads the program, and makes the interfaces in the network namespace of this process unless they are there. `external` is the
 * name of the external interface: OUTSIDE or OUTSIDE_VLAN.
 */
void fast_open(struct fast *fast, struct gateway *gateway, const char *external);
void fast_close(struct fast *fast);

/* Whether somebody watches routes and neighbours; at first it is so. */
void fast_watch(struct fast *fast, bool watched);

/* Makes all next hops void. */
void fast_new_generation(struct fast *fast);

/* Gives a frame to the program, with the MAC address of the interface, and puts what came out in its place. Fails unless it was
 * counted once, or if a frame that goes up to the stack was changed.
 */
struct fast_outcome fast_run(struct fast *fast, struct frame *frame, __u32 ifindex);

/* The same with whatever MAC address the frame has. */
struct fast_outcome fast_run_as_it_is(struct fast *fast, struct frame *frame, __u32 ifindex);

void fast_address(struct frame *frame, const char *mac);

/* The link header that a frame has, but for its protocol. */
bool frame_has_macs(const struct frame *frame, const char *dest, const char *source);

/* Puts a VLAN tag in (proto ETH_P_8021Q or ETH_P_8021AD), and takes it out; its number, or -1 if there is none. */
void frame_tag(struct frame *frame, __u16 proto, __u16 vlan);
int frame_untag(struct frame *frame);

#endif
