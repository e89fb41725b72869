/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every reason means: its verdict, its name in the interfaces, whether it is reported as an event, its sentence. */
#ifndef BAUTA_REASON_H
#define BAUTA_REASON_H

#include "contract.h"

struct reason_text {
	const char *name;
	const char *meaning;
};

/* The verdict follows from the order of the enum. */
static inline enum verdict reason_verdict(enum reason reason)
{
	if (reason < PASSED_ARP)
		return VERDICT_TRANSLATED;
	if (reason < DROPPED_IP_HEADER)
		return VERDICT_PASSED;
	if (reason < REFUSED_PROTOCOL)
		return VERDICT_DROPPED;
	if (reason < DENIED_BIND)
		return VERDICT_REFUSED;
	return VERDICT_DENIED;
}

/* Reasons that an operator hears of as an event: somebody lost a packet for want of a resource, or got another port
 * than the one he had reason to expect.
 */
static inline int reason_is_event(enum reason reason)
{
	return reason == TRANSLATED_SHARED || reason == TRANSLATED_CLASH || reason >= REFUSED_NO_PORT;
}

#endif
