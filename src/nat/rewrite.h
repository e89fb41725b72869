/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting a decision into the bytes of a packet. */
#ifndef BAUTA_REWRITE_H
#define BAUTA_REWRITE_H

#include "checksum.h"
#include "packet.h"
#include "translate.h"

enum rewrite_checksum {
	REWRITE_CHECKSUM, /* the TCP and UDP checksums too */
	LEAVE_CHECKSUM,   /* the hook sees to them: it knows if they are complete */
};

/* Offset of the transport checksum from the transport header. */
static __always_inline __u32 checksum_offset(__u8 proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return offsetof(struct tcphdr, check);
	case IPPROTO_UDP:
		return offsetof(struct udphdr, check);
	default:
		return offsetof(struct icmp_header, checksum);
	}
}

/* Offset of the rewritten port from the transport header: source or destination, or the query identifier. */
static __always_inline __u32 port_offset(__u8 proto, bool destination)
{
	if (proto == IPPROTO_ICMP)
		return offsetof(struct icmp_header, id);
	return destination ? offsetof(struct udphdr, dest) : offsetof(struct udphdr, source);
}

/* The sum of the pseudo header (RFC 9293 §3.1, RFC 768): what stands in the checksum field of a packet that its sender
 * left to the device to sum up.
 */
static __always_inline __u16 checksum_pseudo(const struct packet *pkt)
{
	return checksum_fold64((__u64)pkt->tuple.src + pkt->tuple.dst + cpu_to_be16(pkt->tuple.proto) +
			       cpu_to_be16(pkt->l4_len));
}

/* The address and port that are replaced, in the packet or in the quoted one. */
static __always_inline struct endpoint rewrite_old(const struct tuple *tuple, bool destination)
{
	struct endpoint old = {
		.addr = destination ? tuple->dst : tuple->src,
		.port = destination ? tuple->dport : tuple->sport,
	};

	return old;
}

/* A new source or destination address in the IP header at `ip`, which has been parsed. */
static __always_inline void rewrite_addr(struct iphdr *ip, bool destination, __be32 new_addr)
{
	__be32 *addr = destination ? &ip->daddr : &ip->saddr;

	checksum_replace32(&ip->check, *addr, new_addr);
	*addr = new_addr;
}

/* A new identification in the IP header at `ip`, which has been parsed. */
static __always_inline void rewrite_id(struct iphdr *ip, __be16 new_id)
{
	checksum_replace16(&ip->check, ip->id, new_id);
	ip->id = new_id;
}

/* A change of the transport checksum of a packet whose address and port change. ICMP has no pseudo header. A UDP
 * checksum of 0 is none, and stays so (RFC 3022 §4.1); one computed as 0 is sent as 0xffff (RFC 768).
 */
static __always_inline void rewrite_transport_checksum(__u16 *checksum, __u8 proto, struct endpoint old,
						       struct endpoint new)
{
	if (proto == IPPROTO_UDP && !*checksum)
		return;
	if (proto != IPPROTO_ICMP)
		checksum_replace32(checksum, old.addr, new.addr);
	checksum_replace16(checksum, old.port, new.port);
	if (proto == IPPROTO_UDP && !*checksum)
		*checksum = 0xffff;
}

/* The quoted packet of an ICMP error, and with it the ICMP checksum. Its address and port are those of the direction
 * opposite to the error's. False when the bytes are not there, which the parser excludes.
 */
static __always_inline bool rewrite_quote(const struct packet *pkt, void *data, void *data_end, bool destination,
					  struct endpoint new)
{
	struct endpoint old = rewrite_old(&pkt->quote, destination);
	struct icmp_header *icmp = data + pkt->l4;
	struct iphdr *ip = data + pkt->quote_l3;
	__be16 *port = data + pkt->quote_l4 + port_offset(pkt->quote.proto, destination);
	__u16 *checksum = data + pkt->quote_l4 + checksum_offset(pkt->quote.proto);

	if ((void *)(icmp + 1) > data_end || (void *)(ip + 1) > data_end || (void *)(port + 1) > data_end)
		return false;
	/* Address and IP checksum change by opposite amounts: the ICMP checksum does not see them. */
	rewrite_addr(ip, destination, new.addr);
	checksum_replace16(&icmp->checksum, *port, new.port);
	*port = new.port;
	if (pkt->quote_has_checksum && (void *)(checksum + 1) <= data_end) {
		__u16 before = *checksum;

		rewrite_transport_checksum(checksum, pkt->quote.proto, old, new);
		checksum_replace16(&icmp->checksum, before, *checksum);
	}
	return true;
}

/* Rewrites the packet that was parsed into `pkt`. False when the bytes are not there, which the parser excludes. */
static __always_inline bool rewrite(const struct packet *pkt, void *data, void *data_end,
				    const struct decision *decision, enum rewrite_checksum which)
{
	bool destination = decision->inbound;
	struct iphdr *ip = data + pkt->l3;
	__be16 *port = data + pkt->l4 + port_offset(pkt->tuple.proto, destination);
	__u16 *checksum = data + pkt->l4 + checksum_offset(pkt->tuple.proto);

	if ((void *)(ip + 1) > data_end)
		return false;
	if (pkt->kind == PACKET_ICMP_ERROR) {
		if (!rewrite_quote(pkt, data, data_end, !destination, decision->new))
			return false;
	} else if (pkt->kind != PACKET_FRAGMENT) {
		if ((void *)(port + 1) > data_end || (void *)(checksum + 1) > data_end)
			return false;
		if (which == REWRITE_CHECKSUM || pkt->tuple.proto == IPPROTO_ICMP)
			rewrite_transport_checksum(checksum, pkt->tuple.proto, rewrite_old(&pkt->tuple, destination),
						   decision->new);
		*port = decision->new.port;
	}
	rewrite_addr(ip, destination, decision->new.addr);
	if (decision->renumber)
		rewrite_id(ip, decision->new_id);
	return true;
}

#endif
