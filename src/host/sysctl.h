/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel of this network namespace keeps for its own sockets, and the range that is left by default. */
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

#endif
