/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser: from bytes to struct packet. Every length on the wire is checked here, and nowhere read again. */
#ifndef BAUTA_PACKET_H
#define BAUTA_PACKET_H

#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "checksum.h"
#include "icmp.h"
#include "platform.h"
#include "tuple.h"

/* The most bytes behind the link header that a parse can ask for: IP with options, ICMP, quoted IP with options, quoted
 * TCP header.
 */
#define PACKET_HEADERS_MAX (60 + 8 + 60 + 20)

#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

enum packet_kind {
	PACKET_TCP,
	PACKET_UDP,
	PACKET_ICMP_REQUEST, /* echo or timestamp */
	PACKET_ICMP_REPLY,
	PACKET_ICMP_ERROR,
	PACKET_ICMP_OTHER,
	PACKET_OTHER,    /* a protocol that has no ports we know */
	PACKET_FRAGMENT, /* not the first one: no ports in it */
	PACKET_BAD,      /* the IP header is right, what follows is not: see `bad` */
};

enum parse_result {
	PARSE_OK,
	PARSE_MORE, /* headers reach beyond `data_end`, though the packet goes on */
	PARSE_BAD,  /* no IPv4 packet; `bad` says why */
};

struct packet {
	struct tuple tuple; /* addresses always; ports as in tuple.h where the kind has any */
	struct tuple quote; /* of an ICMP error: the tuple of the quoted packet, as quoted */
	__u8 kind;          /* enum packet_kind */
	__u8 bad;           /* enum reason, of PARSE_BAD and PACKET_BAD */
	__u8 tcp_flags;     /* LIFE_* flags of a TCP segment */
	__u8 first_fragment;
	__u8 atomic; /* neither a fragment nor to become one (RFC 6864 §4): its `id` means nothing */
	/* offsets from the start of the data */
	__u8 l3;
	__u8 l4;
	__u8 quote_l3;
	__u8 quote_l4;
	__u8 quote_has_checksum; /* the quoted transport checksum is among the quoted bytes */
	__be16 id;               /* of the IP header: what fragments of a datagram have in common */
	__u16 l4_len;            /* from the transport header on; modulo 65536 of a packet beyond 64 kB */
};

/* Whether the protocol is one whose datagrams have ports, or identifiers in their place. */
static __always_inline bool packet_has_ports(const struct packet *pkt)
{
	return pkt->tuple.proto == IPPROTO_TCP || pkt->tuple.proto == IPPROTO_UDP || pkt->tuple.proto == IPPROTO_ICMP;
}

static __always_inline enum parse_result packet_bad(struct packet *pkt, enum reason reason)
{
	pkt->kind = PACKET_BAD;
	pkt->bad = reason;
	return PARSE_OK;
}

static __always_inline __u8 packet_tcp_flags(const struct tcphdr *tcp)
{
	return (tcp->syn ? LIFE_SYN : 0) | (tcp->ack ? LIFE_ACK : 0) | (tcp->fin ? LIFE_FIN : 0) |
	       (tcp->rst ? LIFE_RST : 0);
}

/* The tuple of a quoted packet. `icmp_len` bytes from the ICMP header to the end of the packet. */
static __always_inline enum parse_result packet_parse_quote(struct packet *pkt, void *data, void *data_end,
							    __u32 icmp_len)
{
	__u32 l3 = pkt->l4 + sizeof(struct icmp_header);
	__u32 quote_len = icmp_len - sizeof(struct icmp_header);
	struct iphdr *ip = data + l3;
	__u32 header_len, l4;
	__be16 *port;

	/* RFC 792: at least the header and 64 bits of what follows it */
	if (quote_len < sizeof(*ip) + 8)
		return packet_bad(pkt, DROPPED_ICMP_QUOTE);
	if ((void *)(ip + 1) > data_end)
		return PARSE_MORE;
	header_len = ip->ihl * 4;
	if (ip->version != 4 || header_len < sizeof(*ip) || quote_len < header_len + 8 ||
	    (be16_to_cpu(ip->frag_off) & IP_OFFSET))
		return packet_bad(pkt, DROPPED_ICMP_QUOTE);
	l4 = l3 + header_len;
	port = data + l4;
	if (data + l4 + 8 > data_end)
		return PARSE_MORE;
	/* RFC 5508 REQ-3a */
	if (checksum_ip_header(ip, data_end, ip->ihl) != 0xffff)
		return packet_bad(pkt, DROPPED_ICMP_QUOTE);

	pkt->quote_l3 = l3;
	pkt->quote_l4 = l4;
	pkt->quote.src = ip->saddr;
	pkt->quote.dst = ip->daddr;
	pkt->quote.proto = ip->protocol;
	switch (ip->protocol) {
	case IPPROTO_TCP:
		pkt->quote.sport = port[0];
		pkt->quote.dport = port[1];
		if (quote_len >= header_len + 18) {
			if (data + l4 + 18 > data_end)
				return PARSE_MORE;
			/* RFC 5508 REQ-3d: a quote that was cut before this and padded with zeros (RFC 4884) has none */
			pkt->quote_has_checksum = ((struct tcphdr *)port)->doff != 0;
		}
		return PARSE_OK;
	case IPPROTO_UDP:
		pkt->quote.sport = port[0];
		pkt->quote.dport = port[1];
		pkt->quote_has_checksum = 1;
		return PARSE_OK;
	case IPPROTO_ICMP: {
		__u8 type = *(__u8 *)(data + l4);

		pkt->quote_has_checksum = 1;
		if (icmp_is_request(type))
			pkt->quote.sport = port[2];
		else if (icmp_is_reply(type))
			pkt->quote.dport = port[2];
		else
			return packet_bad(pkt, DROPPED_ICMP_QUOTE);
		return PARSE_OK;
	}
	default:
		/* Of no session; but the host may have sent such a packet, and need to hear of it. */
		return PARSE_OK;
	}
}

static __always_inline enum parse_result packet_parse_icmp(struct packet *pkt, void *data, void *data_end,
							   __u32 payload_len)
{
	struct icmp_header *icmp = data + pkt->l4;

	if (payload_len < sizeof(*icmp))
		return packet_bad(pkt, DROPPED_ICMP_HEADER);
	if ((void *)(icmp + 1) > data_end)
		return PARSE_MORE;
	if (icmp_is_request(icmp->type)) {
		pkt->kind = PACKET_ICMP_REQUEST;
		pkt->tuple.sport = icmp->id;
		return PARSE_OK;
	}
	if (icmp_is_reply(icmp->type)) {
		pkt->kind = PACKET_ICMP_REPLY;
		pkt->tuple.dport = icmp->id;
		return PARSE_OK;
	}
	if (icmp_is_error(icmp->type)) {
		pkt->kind = PACKET_ICMP_ERROR;
		return packet_parse_quote(pkt, data, data_end, payload_len);
	}
	/* RFC 6633: nobody sends it any more but to slow down connections of others */
	if (icmp->type == ICMP_TYPE_SOURCE_QUENCH)
		return packet_bad(pkt, DROPPED_ICMP_TYPE);
	pkt->kind = PACKET_ICMP_OTHER;
	return PARSE_OK;
}

/* Ports and flags. `payload_len` bytes follow the IP header, in this fragment. */
static __always_inline enum parse_result packet_parse_l4(struct packet *pkt, void *data, void *data_end,
							 __u32 payload_len)
{
	struct tcphdr *tcp = data + pkt->l4;
	struct udphdr *udp = data + pkt->l4;

	switch (pkt->tuple.proto) {
	case IPPROTO_TCP:
		if (payload_len < sizeof(*tcp))
			return packet_bad(pkt, DROPPED_TCP_HEADER);
		if ((void *)(tcp + 1) > data_end)
			return PARSE_MORE;
		if (tcp->doff * 4 < sizeof(*tcp) || tcp->doff * 4 > payload_len)
			return packet_bad(pkt, DROPPED_TCP_HEADER);
		pkt->kind = PACKET_TCP;
		pkt->tuple.sport = tcp->source;
		pkt->tuple.dport = tcp->dest;
		pkt->tcp_flags = packet_tcp_flags(tcp);
		return PARSE_OK;
	case IPPROTO_UDP:
		if (payload_len < sizeof(*udp))
			return packet_bad(pkt, DROPPED_UDP_HEADER);
		if ((void *)(udp + 1) > data_end)
			return PARSE_MORE;
		/* the length counts all fragments of the datagram */
		if (be16_to_cpu(udp->len) < sizeof(*udp) ||
		    (!pkt->first_fragment && be16_to_cpu(udp->len) > payload_len))
			return packet_bad(pkt, DROPPED_UDP_HEADER);
		pkt->kind = PACKET_UDP;
		pkt->tuple.sport = udp->source;
		pkt->tuple.dport = udp->dest;
		return PARSE_OK;
	case IPPROTO_ICMP:
		return packet_parse_icmp(pkt, data, data_end, payload_len);
	default:
		pkt->kind = PACKET_OTHER;
		return PARSE_OK;
	}
}

/* Parses the IPv4 packet that starts `l3` bytes behind `data`. `data_end` bounds what may be read, `wire_len` is the
 * length of the packet from `data` on, read or not. RFC 1812 §5.2.2.
 */
static __always_inline enum parse_result packet_parse(struct packet *pkt, void *data, void *data_end, __u32 l3,
						      __u32 wire_len)
{
	struct iphdr *ip = data + l3;
	__u32 header_len, total_len, fragment;

	__builtin_memset(pkt, 0, sizeof(*pkt));
	pkt->l3 = l3;
	if (wire_len < l3 + sizeof(*ip)) {
		pkt->bad = DROPPED_IP_LENGTH;
		return PARSE_BAD;
	}
	if ((void *)(ip + 1) > data_end)
		return PARSE_MORE;
	header_len = ip->ihl * 4;
	pkt->bad = DROPPED_IP_HEADER;
	if (ip->version != 4 || header_len < sizeof(*ip))
		return PARSE_BAD;
	total_len = be16_to_cpu(ip->tot_len);
	/* a TCP packet of more than 64 kB, to be segmented by the device, carries no length (Linux' "BIG TCP") */
	if (!total_len && wire_len - l3 > 0xffff)
		total_len = wire_len - l3;
	pkt->bad = DROPPED_IP_LENGTH;
	if (total_len < header_len || total_len > wire_len - l3)
		return PARSE_BAD;
	if (data + l3 + header_len > data_end)
		return PARSE_MORE;
	pkt->bad = DROPPED_IP_CHECKSUM;
	if (checksum_ip_header(ip, data_end, ip->ihl) != 0xffff)
		return PARSE_BAD;

	pkt->l4 = l3 + header_len;
	pkt->tuple.src = ip->saddr;
	pkt->tuple.dst = ip->daddr;
	pkt->tuple.proto = ip->protocol;
	pkt->id = ip->id;
	pkt->l4_len = total_len - header_len;
	pkt->atomic = (ip->frag_off & cpu_to_be16(IP_DF | IP_MF | IP_OFFSET)) == cpu_to_be16(IP_DF);
	fragment = be16_to_cpu(ip->frag_off) & (IP_MF | IP_OFFSET);
	if (fragment & IP_OFFSET) {
		pkt->kind = PACKET_FRAGMENT;
		return PARSE_OK;
	}
	pkt->first_fragment = fragment != 0;
	return packet_parse_l4(pkt, data, data_end, total_len - header_len);
}

#endif
