/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's routes say: where packets would go, which addresses are this machine's, and which its sockets are given. */
#ifndef BAUTA_ROUTE_H
#define BAUTA_ROUTE_H

#include <linux/types.h>
#include <stdbool.h>

#include "netlink.h"

/* A packet that the kernel is asked about; what is 0 is not said. */
struct route_packet {
	__u32 in;  /* the interface that it comes in by; 0: the machine itself makes it */
	__u32 out; /* the interface that it is to leave by */
	__be32 src;
	__be32 dst;
	__u32 mark;
};

struct route {
	__u8 type;     /* RTN_* */
	__u32 out;     /* the interface; 0: none */
	__be32 source; /* what a socket of the machine would be given; 0: nothing */
};

/* What the kernel would do with a packet: 0 or -errno; when the reverse-path filter would drop it -EXDEV, or -EINVAL, which
 * newer kernels (6.18 is one) say of whatever is dropped. Where there is no route, type is RTN_UNSPEC.
 */
int route_ask(struct mnl_socket *socket, const struct route_packet *packet, struct route *ret_route);

/* Whether packets to this address are delivered to this machine: it is an address of an interface, or a local route
 * covers it. 0 or -errno; an address that leads nowhere is none of ours, and no error.
 */
int route_is_local(struct mnl_socket *socket, __be32 addr, bool *ret_local);

/* The source that the kernel gives to sockets whose packets leave by this interface. -errno when it has none for them. */
int route_read_source(struct mnl_socket *socket, __u32 ifindex, __be32 *ret_source);

#endif
