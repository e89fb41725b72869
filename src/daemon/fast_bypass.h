/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel has been told to do with packets on their way, and would not get to do in the fast path. */
#ifndef BAUTA_FAST_BYPASS_H
#define BAUTA_FAST_BYPASS_H

#include <stdbool.h>

#include "fast_iface.h"
#include "netlink.h"

/* Looks at the interfaces that take part; `ask` is a routing socket. True if there is such a thing: then `why` names it, and
 * what would work. True too if it cannot be read whether there is: nothing is passed by because nobody could look.
 */
bool fast_bypass_find(struct mnl_socket *ask, const struct fast_ifaces *ifaces, char why[FAST_WHY]);

#endif
