/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hairpin, at tc ingress of the interfaces that lead inside: what an internal host sends to the external endpoint of an internal
 * host is translated twice and sent back inside. Everything else goes on as if this were not here.
 *
 * The stack would take such a packet for the host's, and what has the host's address as its source for forged. So it never gets
 * there, nor to the firewall's forward chain: the way is asked of the kernel's routes, and the neighbour is found by
 * bpf_redirect_neigh. What the stack does for others is done here: TTL, MTU, and the errors about them.
 *
 * Loaded once for interfaces with a link header and once for those without, with the maps of tc.bpf.c.
 */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "apply.h"
#include "frame.h"
#include "hairpin.h"
#include "hold.h"
#include "icmp_check.h"
#include "packet_report.h"
#include "platform.h"
#include "refuse.h"
#include "route_hide.h"
#include "scratch.h"
#include "socket_here.h"
#include "unsolicited.h"
#include "way_back.h"

#define NEXT TC_ACT_UNSPEC

char license_text[] SEC("license") = "GPL";

/* Too large for the stack, beside what a search takes. */
struct room {
	struct hairpinned hairpin;
	struct bpf_redir_neigh next;
	__u32 ifindex; /* the way back inside */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct room);
} hairpin_scratch SEC(".maps");

/* A whole IPv4 packet to this machine, for an address at the external interface. Most are not: this comes first, and is short. */
static __always_inline bool is_ours(const struct __sk_buff *skb)
{
	const void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	const struct iphdr *ip = data + l2_len;
	const struct config *cfg;
	__be32 dst;

	if (skb->protocol != bpf_htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST || skb->vlan_present)
		return false;
	if ((const void *)(ip + 1) <= data_end)
		dst = ip->daddr;
	else if (bpf_skb_load_bytes(skb, l2_len + offsetof(struct iphdr, daddr), &dst, sizeof(dst)))
		return false;
	cfg = platform_config();
	return cfg && addr_is_own(cfg, dst);
}

static __always_inline bool has_hops(const struct __sk_buff *skb, const struct packet *pkt)
{
	const struct iphdr *ip = (void *)(long)skb->data + pkt->l3;

	return (const void *)(ip + 1) <= (void *)(long)skb->data_end && ip->ttl > 1;
}

static __always_inline bool take_hop(const struct __sk_buff *skb, const struct packet *pkt)
{
	struct iphdr *ip = (void *)(long)skb->data + pkt->l3;
	__u16 before;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return false;
	before = cpu_to_be16(ip->ttl << 8 | ip->protocol);
	ip->ttl--;
	checksum_replace16(&ip->check, before, cpu_to_be16(ip->ttl << 8 | ip->protocol));
	return true;
}

/* How long the packet will be on the wire, from its IP header on: what waits to be cut into segments counts as one. */
static __always_inline __u32 wire_len(struct __sk_buff *skb, const struct packet *pkt)
{
	__u32 len = pkt->l4 - pkt->l3;
	__u8 words;

	if (!skb->gso_size)
		return len + pkt->l4_len;
	if (pkt->kind != PACKET_TCP)
		return len + sizeof(struct udphdr) + skb->gso_size;
	if (bpf_skb_load_bytes(skb, pkt->l4 + 12, &words, sizeof(words)))
		return len;
	return len + (words >> 4) * 4 + skb->gso_size;
}

/* Finds the way back inside. TRANSLATED_HAIRPIN, or why there is none. A packet that is too large is refused whether or not it
 * may be cut, which cannot be done here: its sender learns the MTU, and cuts himself (RFC 1191 §6.3 has all hosts do that).
 */
SLOW_PATH enum reason find_way(struct __sk_buff *skb, struct room *room)
{
	struct bpf_fib_lookup params = { .family = FAMILY_IPV4 };

	if (!room)
		return DROPPED_REWRITE;
	params.ifindex = skb->ifindex;
	params.ipv4_src = room->hairpin.back.tuple.src;
	params.ipv4_dst = room->hairpin.in.new.addr;
	params.l4_protocol = room->hairpin.packet.tuple.proto;
	params.tot_len = wire_len(skb, &room->hairpin.packet);
	switch (bpf_fib_lookup(skb, &params, sizeof(params), 0)) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		break;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		room->hairpin.in.mtu = params.mtu_result;
		return REFUSED_TOO_BIG;
	default:
		return REFUSED_NO_ROUTE;
	}
	room->ifindex = params.ifindex;
	room->next.nh_family = params.family;
	__builtin_memcpy(room->next.ipv6_nh, params.ipv6_dst, sizeof(room->next.ipv6_nh));
	return TRANSLATED_HAIRPIN;
}

/* What comes by another way would make sessions in the name of others here, and use up their quotas. Our own name is refused
 * later on.
 */
SLOW_PATH bool came_by_its_way(struct __sk_buff *skb, const struct packet *pkt)
{
	const struct config *cfg = platform_config();

	if (!pkt || !cfg)
		return false;
	return addr_is_own(cfg, pkt->tuple.src) || way_back_is_by(skb, pkt, skb->ifindex);
}

/* A packet that has been parsed. */
static __always_inline enum reason judge_packet(struct __sk_buff *skb, struct room *room)
{
	struct packet *pkt = &room->hairpin.packet;
	enum reason reason;

	if (!hairpin_is_wanted(pkt))
		return PASSED_INSIDE;
	/* a connection of the host's own with the internal host, which is there untranslated */
	if ((pkt->kind == PACKET_TCP || pkt->kind == PACKET_UDP) && platform_host_connected(skb, &pkt->tuple))
		return PASSED_INSIDE;
	if (!came_by_its_way(skb, pkt))
		return PASSED_INSIDE;
	if (!has_hops(skb, pkt))
		return REFUSED_HOPS;
	reason = hairpin_translate(skb, &room->hairpin, apply_segments(skb));
	return reason == TRANSLATED_HAIRPIN ? find_way(skb, room) : reason;
}

/* The machine itself may be meant, whose packets are passed untouched: what becomes of a datagram's first fragment becomes of
 * all, as at the external interface.
 */
static __always_inline enum reason judge(struct __sk_buff *skb, struct room *room)
{
	struct packet *pkt = &room->hairpin.packet;
	struct decision *out = &room->hairpin.out;
	enum reason reason;

	if (!icmp_check_parse(skb, pkt))
		return PASSED_INSIDE;
	if (hold_has_resent(skb, pkt, 0))
		return HELD_FRAGMENT;
	if (pkt->kind == PACKET_FRAGMENT && packet_has_ports(pkt)) {
		out->reason = translate_fragment(pkt, 0, HELD_FRAGMENT, out);
		hold_fragment(skb, pkt, 0, out);
		if (out->reason != TRANSLATED_OUTBOUND)
			return out->reason;
	}
	reason = judge_packet(skb, room);
	if (!pkt->first_fragment)
		return reason;
	if (reason != TRANSLATED_HAIRPIN) {
		out->reason = reason;
		translate_note(pkt, 0, out);
	}
	return reason_verdict(reason) <= VERDICT_PASSED && hold_resend(skb, pkt, 0) ? HELD_FRAGMENT : reason;
}

/* Both translations, into the bytes. TRANSLATED_HAIRPIN, or why not. What is hidden from remotes is hidden from those inside who
 * are as remotes to the sender.
 */
static __always_inline enum reason change(struct __sk_buff *skb, struct hairpinned *hairpin)
{
	struct decision *out = &hairpin->out, *in = &hairpin->in;

	apply_called(skb, &hairpin->packet, out);
	if (reason_verdict(out->reason) == VERDICT_TRANSLATED)
		route_hide(skb, &hairpin->packet, out);
	if (reason_verdict(out->reason) != VERDICT_TRANSLATED)
		return out->reason;
	apply_called(skb, &hairpin->back, in);
	if (reason_verdict(in->reason) != VERDICT_TRANSLATED)
		return in->reason;
	return take_hop(skb, &hairpin->packet) ? TRANSLATED_HAIRPIN : DROPPED_REWRITE;
}

/* Counts the packet, and tells of it if its reason, or that of its outbound step, asks for that. */
static __always_inline void account(struct hairpinned *hairpin, enum reason reason)
{
	bool inbound = hairpin->in.reason == reason;
	struct decision *last = inbound ? &hairpin->in : &hairpin->out;

	report_count(reason);
	if (reason == TRANSLATED_HAIRPIN) {
		if (packet_is_reported(&hairpin->out))
			packet_report(&hairpin->packet, &hairpin->out, ORIGIN_FORWARDED);
		return;
	}
	last->reason = reason;
	if (packet_is_reported(last))
		packet_report(inbound ? &hairpin->back : &hairpin->packet, last, ORIGIN_FORWARDED);
}

static __always_inline int send_back(struct __sk_buff *skb, struct room *room)
{
	/* bpf_redirect_neigh takes a link header off, so there has to be one. */
	if (!l2_len && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return TC_ACT_SHOT;
	return bpf_redirect_neigh(room->ifindex, &room->next, sizeof(room->next), 0);
}

SEC("tc")
int bauta_hairpin(struct __sk_buff *skb)
{
	enum reason reason;
	struct room *room;
	__u32 zero = 0;

	if (!is_ours(skb))
		return NEXT;
	room = bpf_map_lookup_elem(&hairpin_scratch, &zero);
	if (!room)
		return NEXT;
	__builtin_memset(&room->hairpin, 0, sizeof(room->hairpin));
	reason = judge(skb, room);
	if (reason == TRANSLATED_HAIRPIN)
		reason = change(skb, &room->hairpin);
	else if (reason == DROPPED_UNSOLICITED)
		unsolicited_note(skb, &room->hairpin.packet, &room->hairpin.back.tuple);
	account(&room->hairpin, reason);
	switch (reason_verdict(reason)) {
	case VERDICT_TRANSLATED:
		return send_back(skb, room);
	case VERDICT_PASSED:
		return NEXT;
	case VERDICT_REFUSED:
		room->hairpin.in.reason = reason;
		return refuse(skb, &room->hairpin.packet, &room->hairpin.in);
	case VERDICT_HELD:
	case VERDICT_DROPPED:
	case VERDICT_DENIED:
	case NUM_VERDICT:
		break;
	}
	return TC_ACT_SHOT;
}
