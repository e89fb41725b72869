/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking for sockets of the host at another interface than the external one. The kernel does not find there those that are bound
 * to the external interface; they are noted in host_ports, by port, whatever their remote.
 */
#ifndef BAUTA_BPF_SOCKET_ELSEWHERE_H
#define BAUTA_BPF_SOCKET_ELSEWHERE_H

#include "host_port.h"
#include "socket.h"

static __always_inline bool platform_host_holds(void *hook, const struct tuple *inbound)
{
	return host_port_is_bound(inbound->proto, inbound->dport) || socket_holds(hook, inbound);
}

#endif
