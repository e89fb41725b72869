/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of netfilter that forwarded packets meet, and those of the fast path do not. */
#ifndef BAUTA_FAST_FIREWALL_H
#define BAUTA_FAST_FIREWALL_H

#include "fast_iface.h"

#define FIREWALL_TEXT 140

/* Looks for a chain that has a rule, or drops what meets none. `what` names it; "": there is none. Returns 0, or -errno when
 * none was found, but not everything could be read.
 */
int fast_firewall_find(const struct fast_ifaces *ifaces, char what[FIREWALL_TEXT]);

#endif
