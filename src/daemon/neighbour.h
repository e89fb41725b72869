/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A neighbour as the kernel knows it (ip neighbour): an IPv4 address at an interface, and its MAC address. */
#ifndef BAUTA_NEIGHBOUR_H
#define BAUTA_NEIGHBOUR_H

#include <linux/types.h>
#include <stdbool.h>

#include "contract.h"
#include "netlink.h"

struct neighbour {
	__u32 ifindex;
	__be32 addr;
	__u16 state; /* NUD_*; 0: the kernel does not know it */
	bool kept; /* by others: permanent, without ARP, learnt or managed by a program; its state is not ours to change */
	__u8 mac[MAC_LEN];
};

/* What a message of rtnetlink says: false if it is about something else than an IPv4 neighbour. One that is deleted has state 0.
 */
bool neighbour_parse(const struct nlmsghdr *message, struct neighbour *ret_neighbour);

/* Whether the kernel would send to it. */
bool neighbour_is_valid(const struct neighbour *neighbour);

/* What the kernel knows of ret_neighbour->ifindex and addr; state 0 if nothing. 0 or -errno. */
int neighbour_read(struct mnl_socket *socket, struct neighbour *ret_neighbour);

/* Makes the kernel ask the neighbour whether it is there, now, at the address that it has; again if no answer has come. Packets
 * are sent to it meanwhile.
 */
int neighbour_ask(struct mnl_socket *socket, const struct neighbour *neighbour);

/* It does not answer: the kernel forgets where it was, and asks everybody. */
int neighbour_give_up(struct mnl_socket *socket, const struct neighbour *neighbour);

#endif
