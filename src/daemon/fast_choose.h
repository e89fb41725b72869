/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deciding which interfaces take part in the fast path, and saying why others do not. */
#ifndef BAUTA_FAST_CHOOSE_H
#define BAUTA_FAST_CHOOSE_H

#include "dataplane.h"
#include "fast_iface.h"

/* Sets `carrier`, `asked_for`, `takes_part` and `why` of each, as far as can be told without asking a driver; a name that is
 * listed, and that no interface has, becomes one without an index. 0 or -ENOMEM.
 */
int fast_choose(const struct dataplane *dataplane, struct fast_ifaces *ifaces);

/* After attaching: whether the external interface and one more are left, between which packets can go. Else nobody takes part. */
void fast_check_partners(const struct fast_ifaces *ifaces, __u32 external);

/* This carrier, and what stands upon it, stays on tc for that reason. */
void fast_leave_out(const struct fast_ifaces *ifaces, const struct fast_iface *carrier, const char *why);
void fast_leave_out_all(const struct fast_ifaces *ifaces, const char *why);

/* Whether a driver that runs the program says that it takes no redirected frames. */
bool fast_lacks_xmit(const struct fast_iface *carrier);
void fast_explain_no_xmit(const struct fast_iface *carrier, char why[FAST_WHY]);

/* "tried this: what the kernel says; what would work" */
void fast_explain_refusal(const struct fast_iface *carrier, int err, const char *words, char why[FAST_WHY]);

#endif
