/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's routes say of addresses: which are this machine's, and which its sockets are given. */
#ifndef BAUTA_ROUTE_H
#define BAUTA_ROUTE_H

#include <linux/types.h>
#include <stdbool.h>

#include "netlink.h"

/* Whether packets to this address are delivered to this machine: it is an address of an interface, or a local route
 * covers it. 0 or -errno; an address that leads nowhere is none of ours, and no error.
 */
int route_is_local(struct mnl_socket *socket, __be32 addr, bool *ret_local);

/* The source that the kernel gives to sockets whose packets leave by this interface. -errno when it has none for them. */
int route_read_source(struct mnl_socket *socket, __u32 ifindex, __be32 *ret_source);

#endif
