/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping SYNs from outside that nobody has asked for, until the daemon answers them or lets them be (RFC 5382 REQ-4). */
#ifndef BAUTA_BPF_UNSOLICITED_H
#define BAUTA_BPF_UNSOLICITED_H

#include <linux/if_packet.h>

#include "addr.h"
#include "packet.h"
#include "platform.h"

/* Not pinned: a SYN that waits when the data plane is taken over is not answered. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_UNSOLICITED);
	__type(key, struct unsolicited_key);
	__type(value, struct unsolicited_syn);
} unsolicited SEC(".maps");

/* Keeps the SYN that is dropped as unsolicited; `inbound` is its tuple, as it came in, or would if it came from inside. Not if it
 * may have no answer (RFC 1812 §4.3.2.7), nor if it is kept already: the time counts from the first, and all of them have
 * one answer. 0.
 */
static SLOW_PATH int unsolicited_note(struct __sk_buff *skb, const struct packet *pkt, const struct tuple *inbound)
{
	const struct config *cfg = platform_config();
	struct unsolicited_key key = {
		.remote = inbound->src,
		.external = inbound->dst,
		.remote_port = inbound->sport,
		.external_port = inbound->dport,
	};
	struct unsolicited_syn syn = {};
	__u32 len = pkt->l4 - pkt->l3 + pkt->l4_len;

	if (!cfg || cfg->unsolicited != UNSOLICITED_WAIT || skb->pkt_type != PACKET_HOST)
		return 0;
	if (len > UNSOLICITED_QUOTE)
		len = UNSOLICITED_QUOTE;
	/* 1 to UNSOLICITED_QUOTE it is; the verifier of 6.1 has to see it done, and the compiler not to see that it is idle */
	OPTIMIZER_HIDE_VAR(len);
	len = ((len - 1) & (UNSOLICITED_QUOTE - 1)) + 1;
	if (bpf_skb_load_bytes(skb, pkt->l3, syn.quote, len))
		return 0;
	syn.len = len;
	syn.time_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&unsolicited, &key, &syn, BPF_NOEXIST);
	return 0;
}

#endif
