/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a frame to a struct packet: what is for the translator at all, and parsing it. */
#ifndef BAUTA_BPF_FRAME_H
#define BAUTA_BPF_FRAME_H

#include <linux/if_ether.h>

#include "packet.h"
#include "platform.h"
#include "reason.h"
#include "translate.h"

/* Bytes of link header in front of IP: ETH_HLEN, or 0 on a layer-3 interface. */
const volatile __u32 l2_len;

/* Of a packet that leaves. */
static __always_inline enum origin packet_origin(const struct __sk_buff *skb)
{
	return skb->ingress_ifindex ? ORIGIN_FORWARDED : ORIGIN_HOST;
}

/* Frames that are none of the translator's business; TRANSLATED_OUTBOUND for those that are. */
static __always_inline enum reason sieve_frame(const struct __sk_buff *skb)
{
	if (skb->vlan_present)
		return PASSED_VLAN;
	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		return TRANSLATED_OUTBOUND;
	case bpf_htons(ETH_P_ARP):
		return PASSED_ARP;
	case bpf_htons(ETH_P_IPV6):
		return PASSED_IPV6;
	case bpf_htons(ETH_P_8021Q):
	case bpf_htons(ETH_P_8021AD):
		return PASSED_VLAN;
	}
	return PASSED_OTHER_ETHERTYPE;
}

/* Parses; if the headers reach beyond the linear part, makes them linear and parses again. False if it is no IPv4.
 * Not inlined, so that it does not share the caller's 512 bytes of stack.
 */
SLOW_PATH bool parse(struct __sk_buff *skb, struct packet *pkt)
{
	enum parse_result result = PARSE_BAD;

	if (!pkt)
		return false;
	for (int i = 0; i < 2; i++) {
		void *data = (void *)(long)skb->data;
		void *data_end = (void *)(long)skb->data_end;
		__u32 need = l2_len + PACKET_HEADERS_MAX;

		result = packet_parse(pkt, data, data_end, l2_len, skb->len);
		if (result != PARSE_MORE)
			break;
		if (bpf_skb_pull_data(skb, skb->len < need ? skb->len : need))
			break;
	}
	if (result == PARSE_MORE)
		pkt->bad = DROPPED_IP_LENGTH;
	return result == PARSE_OK;
}

#endif
