/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting a decision into the packet: what rewrite.h does, and what only the kernel knows of checksums. */
#ifndef BAUTA_BPF_APPLY_H
#define BAUTA_BPF_APPLY_H

#include "platform.h"
#include "rewrite.h"

/* Set before load, in programs that are at ingress only. */
const volatile bool only_ingress;

/* Changes a transport checksum that may be partial, or summed by the device: the helper knows. */
static __always_inline bool apply_checksum(struct __sk_buff *skb, const struct packet *pkt,
					   const struct decision *decision)
{
	struct endpoint old = rewrite_old(&pkt->tuple, decision->inbound);
	__u32 offset = pkt->l4 + checksum_offset(pkt->tuple.proto);
	__u64 flags = pkt->kind == PACKET_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	return !bpf_l4_csum_replace(skb, offset, old.addr, decision->new.addr,
				    flags | BPF_F_PSEUDO_HDR | sizeof(__be32)) &&
	       !bpf_l4_csum_replace(skb, offset, old.port, decision->new.port, flags | sizeof(__be16));
}

/* Writes a TCP or UDP packet whose checksum stands in it, complete, without any helper. Where the receiving device has
 * summed the packet (CHECKSUM_COMPLETE), that sum has to follow the bytes: checksum and port; those of the IP header
 * cancel out. At egress there is no such sum.
 */
static __always_inline bool apply_direct(struct __sk_buff *skb, const struct packet *pkt,
					 const struct decision *decision, __u16 before)
{
	struct endpoint old = rewrite_old(&pkt->tuple, decision->inbound);
	void *data = (void *)(long)skb->data;
	void *data_end = (void *)(long)skb->data_end;
	__u16 *checksum = data + pkt->l4 + checksum_offset(pkt->tuple.proto);
	__u32 change;

	if (!rewrite(pkt, data, data_end, decision, REWRITE_CHECKSUM))
		return false;
	if (!decision->inbound && !only_ingress)
		return true;
	if ((void *)(checksum + 1) > data_end)
		return false;
	change = (__u16)~before + *checksum + (__u16)~old.port + decision->new.port;
	bpf_csum_update(skb, change); /* refuses where there is no such sum */
	return true;
}

/* Puts a translation into the packet. One that cannot be written gets the reason for that.
 *
 * The context does not tell whether a transport checksum is partial. But a partial one is the pseudo header's sum; so one
 * that is not is complete, and one that is goes the way that is right for both.
 */
static __always_inline void apply(struct __sk_buff *skb, const struct packet *pkt, struct decision *decision)
{
	void *data_end = (void *)(long)skb->data_end;
	__u16 *checksum = (void *)(long)skb->data + pkt->l4 + checksum_offset(pkt->tuple.proto);
	bool done;

	if (pkt->kind == PACKET_TCP || pkt->kind == PACKET_UDP) {
		if ((void *)(checksum + 1) <= data_end && !skb->gso_size && *checksum != checksum_pseudo(pkt)) {
			done = apply_direct(skb, pkt, decision, *checksum);
			goto out;
		}
		if (!apply_checksum(skb, pkt, decision)) {
			decision->reason = DROPPED_REWRITE;
			return;
		}
	}
	done = rewrite(pkt, (void *)(long)skb->data, (void *)(long)skb->data_end, decision, LEAVE_CHECKSUM);
out:
	if (!done)
		decision->reason = DROPPED_REWRITE;
}

/* The same, for those to whom a call more does not matter: the verifier looks at it once. 0. */
SLOW_PATH int apply_called(struct __sk_buff *skb, const struct packet *pkt, struct decision *decision)
{
	if (pkt && decision)
		apply(skb, pkt, decision);
	return 0;
}

/* Puts the new identification of a packet into it that is otherwise left alone. */
static __always_inline void apply_id(struct __sk_buff *skb, const struct packet *pkt, struct decision *decision)
{
	struct iphdr *ip = (void *)(long)skb->data + pkt->l3;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		decision->reason = DROPPED_REWRITE;
	else
		rewrite_id(ip, decision->new_id);
}

/* How many datagrams the device, or the kernel before it, will make of a packet. */
static __always_inline __u32 apply_segments(const struct __sk_buff *skb)
{
	__u32 size = skb->gso_size;

	return size ? skb->len / size + 1 : 1;
}

#endif
