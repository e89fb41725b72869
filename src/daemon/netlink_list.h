/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that the kernel has of one kind, for those who must not take "cannot tell" for "there is none". */
#ifndef BAUTA_NETLINK_LIST_H
#define BAUTA_NETLINK_LIST_H

#include <stdbool.h>

#include "netlink.h"

/* Whether this error of opening a socket of `protocol`, or of a dump, says that the kernel has no such things at all. */
bool netlink_list_is_absent(int protocol, int err);

/* Asks for a dump, again if a change comes between its parts; `each` may then meet the same message twice. Returns 0, also when
 * the kernel has no such things, or -errno: then there may be some that `each` has not met.
 */
int netlink_list_ask(struct mnl_socket *socket, int protocol, struct nlmsghdr *request, mnl_cb_t each, void *context);

/* The same with a socket of its own. */
int netlink_list_read(int protocol, struct nlmsghdr *request, mnl_cb_t each, void *context);

#endif
