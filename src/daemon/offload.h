/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a device does with frames before anybody sees them. */
#ifndef BAUTA_OFFLOAD_H
#define BAUTA_OFFLOAD_H

#include <stdbool.h>

/* Whether it takes VLAN tags off what it receives, so that XDP does not see them (ethtool's rxvlan). False also if it does not
 * say.
 */
bool offload_strips_vlans(const char *iface);

#endif
