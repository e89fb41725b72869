/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A network interface, as rtnetlink describes it. */
#ifndef BAUTA_LINK_H
#define BAUTA_LINK_H

#include <linux/types.h>
#include <stdbool.h>

#include "fault.h"
#include "netlink.h"

struct link {
	__u32 ifindex;
	__u32 mtu;
	__u16 type; /* ARPHRD_* */
	bool up;
};

/* -ENODEV when there is none by that name. */
int link_read(struct mnl_socket *socket, const char *iface, struct link *ret_link);

/* How long the link header of its packets is where tc sees them: 14 on Ethernet, 0 where packets begin with their IP
 * header. -EOPNOTSUPP on all else.
 */
int link_header_len(const char *iface, const struct link *link, __u32 *ret_l2_len, struct fault *fault);

#endif
