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

/* Not inlined, so that the event is on nobody else's stack. */
static SLOW_PATH int packet_report(const struct packet *pkt, const struct decision *decision, enum origin origin)
{
	struct event event = {
		.reason = decision->reason,
		.proto = pkt->tuple.proto,
		.owner = decision->owner_kind,
		.from_host = origin == ORIGIN_HOST,
		.src = pkt->tuple.src,
		.dst = pkt->tuple.dst,
		.sport = pkt->tuple.sport,
		.dport = pkt->tuple.dport,
		.external = decision->new.addr,
		.external_port = decision->new.port,
		.owner_addr = decision->owner.addr,
		.owner_port = decision->owner.port,
		.inbound = decision->inbound,
	};

	report(&event);
	return 0;
}

#endif
