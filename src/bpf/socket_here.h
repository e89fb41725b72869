/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking for sockets of the host at the external interface itself: the kernel's answer is the truth. */
#ifndef BAUTA_BPF_SOCKET_HERE_H
#define BAUTA_BPF_SOCKET_HERE_H

#include "socket.h"

static __always_inline bool platform_host_holds(void *hook, const struct tuple *inbound)
{
	return socket_holds(hook, inbound);
}

#endif
