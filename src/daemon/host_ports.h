/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The map "host_ports": on which ports any socket of the host sits. The hooks add to it; this takes away. */
#ifndef BAUTA_HOST_PORTS_H
#define BAUTA_HOST_PORTS_H

#include "contract.h"
#include "fault.h"
#include "sockets.h"

/* Which of the bits of `ports` (for `proto`) the sockets of the list sit on, less those that are of the loopback only. */
void host_ports_of(const struct sockets *sockets, __u8 proto, __u64 ret_word[PORT_WORDS]);

/* Makes the bitmaps of TCP and UDP say what is so, whatever the hooks note meanwhile. On failure they say as much as before
 * or more: a port stays the host's rather than becoming the NAT's.
 */
int host_ports_update(struct host_ports ports[2], struct fault *fault);

#endif
