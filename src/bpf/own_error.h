/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors that the machine's kernel makes about packets that came in on a session, and that leave by the external interface. */
#ifndef BAUTA_BPF_OWN_ERROR_H
#define BAUTA_BPF_OWN_ERROR_H

#include "packet.h"
#include "platform.h"

#define IP_DS_OFFSET 1 /* of the octet with the class, above two bits of ECN */
#define IP_DS_MASK 0xfc

/* The kernel gives them a precedence of 6 (RFC 1812 §4.3.2.5). RFC 5508 §7.7 has a NAT copy the class of the cause. */
SLOW_PATH bool own_error_class(struct __sk_buff *skb, const struct packet *pkt)
{
	__u8 cause, class;

	if (!pkt || bpf_skb_load_bytes(skb, pkt->quote_l3 + IP_DS_OFFSET, &cause, sizeof(cause)) ||
	    bpf_skb_load_bytes(skb, pkt->l3 + IP_DS_OFFSET, &class, sizeof(class)))
		return false;
	cause &= IP_DS_MASK;
	return !bpf_l3_csum_replace(skb, pkt->l3 + offsetof(struct iphdr, check), cpu_to_be16(class),
				    cpu_to_be16(cause), sizeof(__be16)) &&
	       !bpf_skb_store_bytes(skb, pkt->l3 + IP_DS_OFFSET, &cause, sizeof(cause), 0);
}

#endif
