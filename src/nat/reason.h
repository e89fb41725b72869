/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every reason means: its verdict, who is told of it, its name in the interfaces and its sentence. */
#ifndef BAUTA_REASON_H
#define BAUTA_REASON_H

#include "contract.h"
#include "icmp.h"

struct reason_text {
	const char *name;
	const char *meaning; /* what happened and, after a semicolon, what is to be done, if anything is */
	const char *remedy;  /* what is to be done, or "": the end of `meaning` */
};

/* The verdict follows from the order of the enum. */
static inline enum verdict reason_verdict(enum reason reason)
{
	if (reason < PASSED_ARP)
		return VERDICT_TRANSLATED;
	if (reason < HELD_FRAGMENT)
		return VERDICT_PASSED;
	if (reason < DROPPED_IP_HEADER)
		return VERDICT_HELD;
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

/* Reasons whose packets and calls came to nothing: they are kept in `failures`. */
static inline int reason_is_failure(enum reason reason)
{
	return reason >= DROPPED_IP_HEADER;
}

/* Which ring of `failures` a failure is kept in. */
static inline __u32 reason_failure_ring(enum reason reason)
{
	return reason < REFUSED_PROTOCOL ? 0 : 1 + reason - REFUSED_PROTOCOL;
}

/* The ICMP type of the message that an internal client gets for a refused packet. */
static inline __u8 reason_icmp_type(enum reason reason)
{
	return reason == REFUSED_HOPS ? ICMP_TYPE_TIME_EXCEEDED : ICMP_TYPE_UNREACHABLE;
}

/* Its code; negative: none is sent. RFC 6888 REQ-11b and RFC 5508 REQ-8 ask for different codes, so there is a setting; what
 * protocol a NAT knows and how far a packet gets is no matter of policy. A TCP segment of no connection gets a RST.
 */
static inline int reason_icmp_code(enum reason reason, enum icmp_policy policy)
{
	if (reason_verdict(reason) != VERDICT_REFUSED || policy == ICMP_NONE || reason == REFUSED_MID_STREAM)
		return -1;
	switch (reason) {
	case REFUSED_PROTOCOL:
		return ICMP_CODE_PROTOCOL_UNREACHABLE;
	case REFUSED_HOPS:
		return ICMP_CODE_HOPS;
	case REFUSED_TOO_BIG:
		return ICMP_CODE_TOO_BIG;
	case REFUSED_NO_ROUTE:
		return ICMP_CODE_HOST_UNREACHABLE;
	default:
		return policy == ICMP_ADMIN_PROHIBITED ? ICMP_CODE_ADMIN_PROHIBITED : ICMP_CODE_HOST_UNREACHABLE;
	}
}

#endif
