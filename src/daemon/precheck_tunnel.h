/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tunnel devices that receive on a port of UDP: VXLAN, Geneve, WireGuard. */
#ifndef BAUTA_PRECHECK_TUNNEL_H
#define BAUTA_PRECHECK_TUNNEL_H

#include "check.h"

/* Adds those whose socket is in this network namespace to the facts; and what could not be asked to what was not seen. */
void precheck_tunnels(struct check_facts *facts);

#endif
