/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A conversation with the kernel over netlink. */
#ifndef BAUTA_NETLINK_H
#define BAUTA_NETLINK_H

#include <libmnl/libmnl.h>

/* `protocol`: NETLINK_ROUTE and so on. Both return 0 or -errno. A socket that has joined a group (RTNLGRP_*) is told what
 * changes.
 */
int netlink_open(int protocol, struct mnl_socket **ret_socket);
int netlink_join(struct mnl_socket *socket, int group);

/* Takes NULL. */
void netlink_close(struct mnl_socket *socket);

/* Sends a request and calls `each` with every message of the answer, be it one or a dump. Returns 0, or -errno from the
 * kernel or from `each`, which returns MNL_CB_OK or MNL_CB_ERROR with errno set. -EINTR: a change came between the parts
 * of the dump; ask again. Of a socket that has joined a group an error takes what it was told, too.
 */
int netlink_ask(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t each, void *context);

/* Reads away all that has arrived. Whether something was lost makes no difference to those who look at everything anew
 * after it.
 */
void netlink_drain(struct mnl_socket *socket);

#endif
