/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holding fragments until the first one of their datagram is there, and sending them to their hook again.
 *
 * When a first fragment finds that others wait for it, it is sent to its own hook once more, and after it they are, in its
 * packet's place; so they leave behind it, by the way that all packets take. At egress that happens at once, while the program
 * still runs; at ingress when what is under way has been dealt with. The packet that brought them is then dropped. Each time
 * that a packet comes to the hook is counted, so what is sent again is counted too.
 */
#ifndef BAUTA_BPF_HOLD_H
#define BAUTA_BPF_HOLD_H

#include "apply.h"
#include "frame.h"
#include "held.h"
#include "packet_report.h"
#include "platform.h"
#include "translate.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct held_ring);
} held SEC(".maps");

static __always_inline struct held_ring *hold_ring(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&held, &zero);
}

/* A frame's length as the verifier of 6.1 has to see it, 1 to HELD_MAX_LEN: which it is. */
static __always_inline __u32 hold_len(__u32 len)
{
	OPTIMIZER_HIDE_VAR(len);
	return ((len - 1) & (HELD_MAX_LEN - 1)) + 1;
}

/* Holds a fragment whose datagram is not known. Its reason: HELD_FRAGMENT, or what its datagram has turned out to be meanwhile;
 * DROPPED_FRAGMENT if it cannot be held.
 */
SLOW_PATH enum reason hold(struct __sk_buff *skb, const struct packet *pkt, __u8 direction, struct decision *decision)
{
	struct held_ring *ring = hold_ring();
	struct fragment_key key;
	struct held *record;
	enum reason reason;
	__u64 ticket;

	if (!ring || !pkt || !decision || skb->len > HELD_MAX_LEN)
		return DROPPED_FRAGMENT;
	key = fragment_key(pkt, direction);
	ticket = held_reserve(ring, &key, skb->len);
	record = held_at(ring, ticket);
	if (bpf_skb_load_bytes(skb, 0, record + 1, hold_len(skb->len)) || !held_publish(ring, ticket))
		return DROPPED_FRAGMENT;
	reason = translate_fragment(pkt, direction, HELD_FRAGMENT, decision);
	if (reason == HELD_FRAGMENT || !held_is_there(ring, ticket) || !held_take(record)) {
		decision->renumber = 0;
		return HELD_FRAGMENT;
	}
	return reason;
}

struct resend {
	struct held_walk walk;
	struct __sk_buff *skb;
	__u64 flags; /* of the redirection */
};

static long resend_find(__u32 n, void *ctx)
{
	struct resend *resend = ctx;
	struct held_ring *ring = hold_ring();

	(void)n;
	return ring ? held_step(&resend->walk, ring) : 1;
}

/* Sends the packet to the hook that it came to. What another device or queue then makes of it is not our affair, but a
 * packet that never came to the hook is not counted.
 */
static __always_inline void resend_packet(struct __sk_buff *skb, __u64 flags)
{
	long result = bpf_clone_redirect(skb, skb->ifindex, flags);
	struct header *head = platform_header();

	if (head && (flags ? !result : result >= 0))
		platform_add64(&head->num_returned[flags != 0], 1);
}

/* Puts the bytes of the oldest record in the packet's place, and sends them. Returns 1 when there is no other. */
static long resend_next(__u32 n, void *ctx)
{
	struct resend *resend = ctx;
	struct held_ring *ring = hold_ring();
	struct __sk_buff *skb = resend->skb;
	__u64 ticket = resend->walk.oldest;
	struct held *record;
	__u32 len;

	(void)n;
	if (!ring || !ticket)
		return 1;
	record = held_at(ring, ticket);
	len = record->len;
	resend->walk.oldest = record->next;
	if (!held_was_there(ring, ticket))
		return 1;
	if (bpf_skb_change_tail(skb, hold_len(len), 0) ||
	    bpf_skb_store_bytes(skb, 0, record + 1, hold_len(len), BPF_F_RECOMPUTE_CSUM))
		return 0;
	if (held_was_there(ring, ticket))
		resend_packet(skb, resend->flags);
	return 0;
}

/* The first fragment of a datagram: if others wait for it, sends it and them to their hook again. Returns how many others; the
 * packet is fit for nothing then.
 */
SLOW_PATH __u32 hold_resend(struct __sk_buff *skb, const struct packet *pkt, __u8 direction)
{
	struct resend resend = { .skb = skb, .flags = direction == ENTRY_INBOUND || only_ingress ? BPF_F_INGRESS : 0 };
	const struct config *cfg = platform_config();
	struct held_ring *ring = hold_ring();

	if (!ring || !pkt || !cfg)
		return 0;
	resend.walk.key = fragment_key(pkt, direction);
	resend.walk.newest = held_begin(ring, &resend.walk.key);
	if (!resend.walk.newest)
		return 0;
	resend.walk.ticket = resend.walk.newest;
	resend.walk.timeout_s = cfg->timeout_s[TIMEOUT_FRAGMENT];
	bpf_loop(HELD_MAX_STEPS, resend_find, &resend, 0);
	held_end(&resend.walk, ring);
	if (!resend.walk.num)
		return 0;
	resend_packet(skb, resend.flags);
	/* the receiving device's judgement of its checksum does not hold for what comes next */
	if (resend.flags)
		bpf_csum_level(skb, BPF_CSUM_LEVEL_RESET);
	bpf_loop(HELD_MAX_STEPS, resend_next, &resend, 0);
	return resend.walk.num;
}

/* Whether others have waited for this first fragment: then it is not decided on now, but when it comes again. */
static __always_inline bool hold_has_resent(struct __sk_buff *skb, const struct packet *pkt, __u8 direction)
{
	return pkt->first_fragment && hold_resend(skb, pkt, direction);
}

/* A fragment that has been decided on: a first one is noted, a later one of a datagram that is not known is held. Who has come
 * while the first one was decided on waits for it too.
 */
static __always_inline void hold_fragment(struct __sk_buff *skb, const struct packet *pkt, __u8 direction,
					  struct decision *decision)
{
	if (decision->reason == HELD_FRAGMENT) {
		decision->reason = hold(skb, pkt, direction, decision);
		return;
	}
	if (!pkt->first_fragment)
		return;
	translate_note(pkt, direction, decision);
	if (reason_verdict(decision->reason) > VERDICT_PASSED || !hold_resend(skb, pkt, direction))
		return;
	/* it comes again as a packet on a session that is there: who is to hear of a new one hears now */
	if (packet_is_reported(decision))
		packet_report(pkt, decision, direction == ENTRY_INBOUND ? ORIGIN_FORWARDED : packet_origin(skb));
	decision->reason = HELD_FRAGMENT;
	decision->renumber = 0;
}

#endif
