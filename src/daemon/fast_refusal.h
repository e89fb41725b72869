/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interfaces whose drivers have refused. None is asked again before something has changed about it: some stop for a moment when
 * they are.
 */
#ifndef BAUTA_FAST_REFUSAL_H
#define BAUTA_FAST_REFUSAL_H

#include "fast_iface.h"

struct fast_refusal {
	__u32 ifindex;
	__u32 mtu;
	__u32 xdp;
	__u64 features;
	bool up;
	char why[FAST_WHY];
};

/* All zero: empty. */
struct fast_refusals {
	struct fast_refusal *at;
	size_t num;
};

/* Why it refused as it is now, or NULL. */
const char *fast_refusals_find(const struct fast_refusals *refusals, const struct fast_iface *iface);
void fast_refusals_add(struct fast_refusals *refusals, const struct fast_iface *iface, const char *why);
void fast_refusals_clear(struct fast_refusals *refusals);

#endif
