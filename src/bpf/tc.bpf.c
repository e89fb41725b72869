/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NAT at the external interface: tc egress and ingress, and the sweep that the daemon drives. */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "apply.h"
#include "frame.h"
#include "hold.h"
#include "host_port.h"
#include "icmp_check.h"
#include "mss_clamp.h"
#include "own_error.h"
#include "packet_report.h"
#include "platform.h"
#include "refuse.h"
#include "route_hide.h"
#include "scratch.h"
#include "socket_here.h"
#include "stage.h"
#include "sweep.h"
#include "translate.h"
#include "unsolicited.h"

/* To the next program or filter, if there is one; TC_ACT_OK would hide the packet from those that are not ours. */
#define NEXT TC_ACT_UNSPEC

char license_text[] SEC("license") = "GPL";

/* Counts the packet, and tells of it if its reason asks for that. */
static __always_inline void account(const struct packet *pkt, const struct decision *decision, enum origin origin)
{
	report_count(decision->reason);
	if (packet_is_reported(decision))
		packet_report(pkt, decision, origin);
}

/* The packet of a session that is there; true if that is what it was, and it has been dealt with. */
static __always_inline bool established(struct __sk_buff *skb, __u8 direction, struct packet *pkt,
					struct decision *decision)
{
	if (sieve_frame(skb) != TRANSLATED_OUTBOUND || !parse(skb, pkt) || !translate_is_plain(pkt, direction) ||
	    !translate_packet(pkt, direction, decision))
		return false;
	decision->inbound = direction == ENTRY_INBOUND;
	decision->reason = decision->inbound ? TRANSLATED_INBOUND : TRANSLATED_OUTBOUND;
	if (!decision->inbound && !pkt->atomic)
		translate_renumber(pkt, decision, apply_segments(skb));
	apply(skb, pkt, decision);
	return true;
}

/* Puts a translation into a packet of any kind. */
static __always_inline void apply_all(struct __sk_buff *skb, const struct packet *pkt, struct decision *decision)
{
	if (reason_verdict(decision->reason) == VERDICT_TRANSLATED)
		apply_called(skb, pkt, decision);
	if (reason_verdict(decision->reason) == VERDICT_TRANSLATED)
		mss_clamp(skb, pkt, decision);
	if (reason_verdict(decision->reason) == VERDICT_TRANSLATED && !decision->inbound)
		route_hide(skb, pkt, decision);
	if (decision->reason == TRANSLATED_ERROR_OUTBOUND && packet_origin(skb) == ORIGIN_HOST &&
	    !own_error_class(skb, pkt))
		decision->reason = DROPPED_REWRITE;
}

SEC("tc")
int bauta_egress(struct __sk_buff *skb)
{
	struct decision decision = {};
	struct packet pkt = {}; /* 6.1: a function takes no memory that is not initialised */

	if (!established(skb, 0, &pkt, &decision))
		return stage_go(skb, STAGE_EGRESS);
	account(&pkt, &decision, packet_origin(skb));
	return decision.reason == TRANSLATED_OUTBOUND ? NEXT : TC_ACT_SHOT;
}

SEC("tc")
int bauta_egress_slow(struct __sk_buff *skb)
{
	struct decision decision = {};
	struct packet pkt = {};

	decision.reason = sieve_frame(skb);
	if (decision.reason != TRANSLATED_OUTBOUND) {
		report_count(decision.reason);
		return NEXT;
	}
	if (!icmp_check_parse(skb, &pkt)) {
		decision.reason = pkt.bad;
	} else if (hold_has_resent(skb, &pkt, 0)) {
		decision.reason = HELD_FRAGMENT;
	} else {
		decision.reason = translate_outbound(skb, &pkt, packet_origin(skb), &decision);
		translate_renumber(&pkt, &decision, apply_segments(skb));
		hold_fragment(skb, &pkt, 0, &decision);
	}
	apply_all(skb, &pkt, &decision);
	if (decision.renumber && reason_verdict(decision.reason) == VERDICT_PASSED)
		apply_id(skb, &pkt, &decision);
	/* a RST is sent without a socket, to whoever knocks at a closed port */
	if (decision.reason == PASSED_HOST && !(pkt.tcp_flags & LIFE_RST))
		host_port_see(skb, &pkt.tuple);
	account(&pkt, &decision, packet_origin(skb));

	switch (reason_verdict(decision.reason)) {
	case VERDICT_TRANSLATED:
	case VERDICT_PASSED:
		return NEXT;
	case VERDICT_REFUSED:
		return refuse(skb, &pkt, &decision);
	case VERDICT_HELD:
	case VERDICT_DROPPED:
	case VERDICT_DENIED:
	case NUM_VERDICT:
		break;
	}
	return TC_ACT_SHOT;
}

SEC("tc")
int bauta_ingress(struct __sk_buff *skb)
{
	struct decision decision = {};
	struct packet pkt = {};

	if (skb->pkt_type == PACKET_LOOPBACK || skb->mark == ANSWER_MARK ||
	    !established(skb, ENTRY_INBOUND, &pkt, &decision))
		return stage_go(skb, STAGE_INGRESS);
	account(&pkt, &decision, ORIGIN_FORWARDED);
	return decision.reason == TRANSLATED_INBOUND ? NEXT : TC_ACT_SHOT;
}

/* The copies that the kernel makes of the host's own multicast come here without a link header. */
SEC("tc")
int bauta_ingress_slow(struct __sk_buff *skb)
{
	struct decision decision = {};
	struct packet pkt = {};

	decision.reason = skb->pkt_type == PACKET_LOOPBACK ? PASSED_LOOPBACK : sieve_frame(skb);
	if (decision.reason == TRANSLATED_OUTBOUND && skb->mark == ANSWER_MARK) {
		skb->mark = 0;
		decision.reason = PASSED_OWN_ERROR;
	}
	if (decision.reason == TRANSLATED_OUTBOUND) {
		decision.inbound = 1;
		if (!icmp_check_parse(skb, &pkt)) {
			decision.reason = pkt.bad;
		} else if (hold_has_resent(skb, &pkt, ENTRY_INBOUND)) {
			decision.reason = HELD_FRAGMENT;
		} else {
			decision.reason = translate_inbound(skb, &pkt, &decision);
			hold_fragment(skb, &pkt, ENTRY_INBOUND, &decision);
		}
	}
	apply_all(skb, &pkt, &decision);
	if (decision.reason == DROPPED_UNSOLICITED)
		unsolicited_note(skb, &pkt, &pkt.tuple);
	account(&pkt, &decision, ORIGIN_FORWARDED);
	return reason_verdict(decision.reason) >= VERDICT_HELD ? TC_ACT_SHOT : NEXT;
}

/* Returns how many were removed. */
SEC("tc")
int bauta_sweep(struct __sk_buff *skb)
{
	struct sweep sweep = { .skb = skb, .cfg = platform_config() };
	struct sweep_head head;

	if (!sweep.cfg || bpf_skb_load_bytes(skb, 0, &head, sizeof(head)) || head.num > SWEEP_BATCH)
		return 0;
	if (head.store_id != shape.store_id || !store_is_writable())
		return 0;
	sweep.op = head.op;
	bpf_loop(head.num, sweep_step, &sweep, 0);
	return sweep.num_removed;
}
