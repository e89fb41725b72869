/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The external interface and the IPv4 addresses of the machine, as they are at one moment. */
#ifndef BAUTA_ADDRESS_H
#define BAUTA_ADDRESS_H

#include <linux/types.h>
#include <stdbool.h>

#include "contract.h"
#include "link.h"
#include "netlink.h"

/* The first address of another interface: what the hosts there know us by. */
struct gateway {
	__u32 ifindex;
	__be32 addr;
};

#define MAX_GATEWAYS 1024
#define MAX_OWN_ADDRS 512

struct addresses {
	struct link link; /* ifindex 0: the interface is not there */
	__be32 external;  /* its first global address that is no secondary one; 0: none */
	__u32 num_own;    /* all of its addresses, the external one first */
	__be32 own[MAX_OWN_ADDRS];
	__u32 num_own_left_out; /* that did not fit */
	__u32 num_gateways;
	struct gateway gateway[MAX_GATEWAYS];
};

/* Reads all of it anew. 0 or -errno; an interface that is not there is no error. */
int addresses_read(struct mnl_socket *socket, const char *iface, struct addresses *ret_addresses);

bool addresses_own(const struct addresses *addresses, __be32 addr);

#endif
