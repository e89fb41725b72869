/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reporting what became of a packet, where that is more than a count. */
#ifndef BAUTA_BPF_PACKET_REPORT_H
#define BAUTA_BPF_PACKET_REPORT_H

#include "packet.h"
#include "report.h"
#include "translate.h"

static __always_inline bool packet_is_reported(const struct decision *decision)
{
	return reason_is_failure(decision->reason) || reason_is_event(decision->reason);
}

/* Not inlined, so that the event is on nobody else's stack. 0. */
SLOW_PATH int packet_report(const struct packet *pkt, const struct decision *decision, enum origin origin)
{
	struct event event = {};

	if (!pkt || !decision)
		return 0;
	event.reason = decision->reason;
	event.proto = pkt->tuple.proto;
	event.owner = decision->owner_kind;
	event.from_host = origin == ORIGIN_HOST;
	event.src = pkt->tuple.src;
	event.dst = pkt->tuple.dst;
	event.sport = pkt->tuple.sport;
	event.dport = pkt->tuple.dport;
	event.external = decision->new.addr;
	event.external_port = decision->new.port;
	event.owner_addr = decision->owner.addr;
	event.owner_port = decision->owner.port;
	event.inbound = decision->inbound;
	report(&event);
	return 0;
}

#endif
