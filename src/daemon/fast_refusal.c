/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remembering which interfaces have refused. */
#include "fast_refusal.h"

#include <stdio.h>
#include <stdlib.h>

const char *fast_refusals_find(const struct fast_refusals *refusals, const struct fast_iface *iface)
{
	for (size_t i = 0; i < refusals->num; i++) {
		const struct fast_refusal *refusal = &refusals->at[i];

		if (refusal->ifindex == iface->ifindex && refusal->mtu == iface->mtu && refusal->xdp == iface->xdp &&
		    refusal->up == iface->up && refusal->features == iface->features)
			return refusal->why;
	}
	return NULL;
}

void fast_refusals_add(struct fast_refusals *refusals, const struct fast_iface *iface, const char *why)
{
	struct fast_refusal *more = NULL;

	for (size_t i = 0; i < refusals->num; i++)
		if (refusals->at[i].ifindex == iface->ifindex)
			more = &refusals->at[i];
	if (!more) {
		more = realloc(refusals->at, (refusals->num + 1) * sizeof(*more));
		if (!more)
			return; /* then it is asked again */
		refusals->at = more;
		more += refusals->num++;
	}
	*more = (struct fast_refusal){
		.ifindex = iface->ifindex,
		.mtu = iface->mtu,
		.xdp = iface->xdp,
		.features = iface->features,
		.up = iface->up,
	};
	snprintf(more->why, sizeof(more->why), "%s", why);
}

void fast_refusals_clear(struct fast_refusals *refusals)
{
	free(refusals->at);
	refusals->at = NULL;
	refusals->num = 0;
}
