/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The map "host_ports": on which ports any socket of the host sits. The hooks add to it; this takes away. */
#ifndef BAUTA_HOST_PORTS_H
#define BAUTA_HOST_PORTS_H

#include <stdbool.h>

#include "contract.h"
#include "fault.h"
#include "sockets.h"

/* The bits of the ports that sockets of the list sit on, less those that are of the loopback only. `bound`: only those that are
 * bound to an interface.
 */
void host_ports_of(const struct sockets *sockets, __u8 proto, bool bound, __u64 ret_word[PORT_WORDS]);

/* Makes the bitmaps of TCP and UDP say what is so, whatever the hooks note meanwhile. On failure they say as much as before
 * or more: a port stays the host's rather than becoming the NAT's.
 */
int host_ports_update(struct host_ports ports[NUM_HOST_PORTS], struct fault *fault);

#endif
