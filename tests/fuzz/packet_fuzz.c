/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser and the rewriter under libFuzzer: octets of any kind, in memory that ends where they do.
 *
 * The first octets of the input say what is done: how much of the packet is in reach, the direction, the new endpoint, and
 * whether the checksum of the IP header is put right first, without which nearly everything would end there.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/frame.h"
#include "rewrite.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

struct order {
	__u8 linear;
	__u8 inbound;
	__u8 seal;
	__u8 unused;
	__be32 addr;
	__be16 port;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Puts the checksum of an IP header right, if there is a whole one. */
static void seal(__u8 *packet, __u32 len)
{
	struct iphdr *ip = (struct iphdr *)packet;

	if (len >= sizeof(*ip) && ip->ihl * 4U >= sizeof(*ip) && ip->ihl * 4U <= len)
		seal_ip(ip);
}

/* There and back is the same, except for a checksum field of 0xffff, which is another way to write 0. */
static void turn(const struct packet *packet, __u8 *octets, __u32 len, const struct order *order)
{
	bool error = packet->kind == PACKET_ICMP_ERROR;
	bool destination = error ? !order->inbound : order->inbound;
	struct endpoint old = rewrite_old(error ? &packet->quote : &packet->tuple, destination);
	struct decision decision = { .inbound = order->inbound, .new = { .addr = order->addr, .port = order->port } };
	struct packet after;

	require(rewrite(packet, octets, octets + len, &decision, REWRITE_CHECKSUM));
	require(packet_parse(&after, octets, octets + len, 0, len) == PARSE_OK);
	require(after.kind == packet->kind && after.l4 == packet->l4 && after.quote_l4 == packet->quote_l4);
	old.addr = order->inbound ? packet->tuple.dst : packet->tuple.src;
	decision.new = old;
	require(rewrite(&after, octets, octets + len, &decision, REWRITE_CHECKSUM));
	require(packet_parse(&after, octets, octets + len, 0, len) == PARSE_OK);
	require(after.tuple.src == packet->tuple.src && after.tuple.dst == packet->tuple.dst);
	require(after.tuple.ports == packet->tuple.ports);
}

/* Whether a translator could ask for it: queries go one way, and quotes of them the other. */
static bool is_translated(const struct packet *packet, const __u8 *octets, bool inbound)
{
	switch ((enum packet_kind)packet->kind) {
	case PACKET_TCP:
	case PACKET_UDP:
	case PACKET_FRAGMENT:
		return true;
	case PACKET_ICMP_REQUEST:
		return !inbound;
	case PACKET_ICMP_REPLY:
		return inbound;
	case PACKET_ICMP_ERROR:
		if (packet->quote.proto == IPPROTO_ICMP)
			return icmp_is_request(octets[packet->quote_l4]) == inbound;
		return packet->quote.proto == IPPROTO_TCP || packet->quote.proto == IPPROTO_UDP;
	case PACKET_ICMP_OTHER:
	case PACKET_OTHER:
	case PACKET_BAD:
		break;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	enum parse_result result;
	struct packet packet;
	struct order order;
	__u32 len, linear;
	__u8 *octets;

	if (size < sizeof(order) || size > sizeof(order) + 2000)
		return 0;
	memcpy(&order, data, sizeof(order));
	order.inbound &= 1;
	len = size - sizeof(order);
	linear = order.linear < len ? order.linear : len;
	octets = malloc(len + 1);
	require(octets != NULL);
	memcpy(octets, data + sizeof(order), len);
	if (order.seal & 1)
		seal(octets, len);
	if ((order.seal & 2) && len > 28)
		seal(octets + 28, len - 28);
	octets = realloc(octets, linear ? linear : 1);
	require(octets != NULL);

	result = packet_parse(&packet, octets, octets + linear, 0, len);
	require(result != PARSE_MORE || (linear < len && linear < PACKET_HEADERS_MAX));
	if (result == PARSE_OK && linear == len && is_translated(&packet, octets, order.inbound))
		turn(&packet, octets, len, &order);
	free(octets);
	return 0;
}
