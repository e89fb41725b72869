/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of this network namespace's kernel: the ports it keeps for its own sockets, the range that is left by
 * default, and single numbers.
 */
#ifndef BAUTA_SYSCTL_H
#define BAUTA_SYSCTL_H

#include "fault.h"
#include "ranges.h"

/* net.ipv4.ip_local_port_range of this network namespace. */
int sysctl_read_ephemeral(struct ranges *ret_ranges, struct fault *fault);

/* net.ipv4.ip_local_reserved_ports of this network namespace; the empty set where the kernel has none. */
int sysctl_read_reserved(struct ranges *ret_ranges, struct fault *fault);

/* 1024-65535 less both: the ports that neither pool disputes. -ERANGE when nothing is left. */
int sysctl_read_default(struct ranges *ret_ranges, struct fault *fault);

/* Write the same. -EINVAL from the kernel for a range that begins below ip_unprivileged_port_start. */
int sysctl_write_ephemeral(__u16 first, __u16 last, struct fault *fault);
int sysctl_write_reserved(const struct ranges *ranges, struct fault *fault);

/* A number below net/ipv4: "ip_forward", "conf/eth0/rp_filter". */
int sysctl_read_number(const char *name, int *ret_number, struct fault *fault);

#endif
