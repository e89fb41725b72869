/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NAT at the external interface: tc egress and ingress, and the sweep that the daemon drives. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "answer.h"
#include "host_port.h"
#include "packet_report.h"
#include "platform.h"
#include "quota.h"
#include "rewrite.h"
#include "scratch.h"
#include "socket.h"
#include "translate.h"

/* To the next program or filter, if there is one; TC_ACT_OK would hide the packet from those that are not ours. */
#define NEXT TC_ACT_UNSPEC

char license_text[] SEC("license") = "GPL";

/* Bytes of link header in front of IP: ETH_HLEN, or 0 on a layer-3 interface. */
const volatile __u32 l2_len;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __be32);
} gateways SEC(".maps");

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
 * cancel out. On the way out there is no such sum.
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
	if (!decision->inbound)
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
	else if (pkt->first_fragment)
		fragment_note(pkt, decision->inbound ? ENTRY_INBOUND : 0, decision->new.addr);
}

/* Tells the internal client, out of the interface that the packet came from. */
static __always_inline int refuse_client(struct __sk_buff *skb, const struct packet *pkt, __u8 code)
{
	__u32 ifindex = skb->ingress_ifindex;
	__be32 *src = bpf_map_lookup_elem(&gateways, &ifindex);
	struct limit *limit;

	if (!src)
		return TC_ACT_SHOT;
	limit = report_limit(LIMIT_ICMP, LIMIT_ICMP_PER_S);
	if (!limit || answer_make_icmp(skb, pkt, code, *src))
		return TC_ACT_SHOT;
	/* bpf_redirect_neigh takes a link header off, so there has to be one. */
	if (!l2_len && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return TC_ACT_SHOT;
	return bpf_redirect_neigh(ifindex, NULL, 0, 0);
}

/* Tells a socket of the host, in the name of the peer that it wanted to reach. */
static __always_inline int refuse_host(struct __sk_buff *skb, const struct packet *pkt)
{
	bool syn = pkt->kind == PACKET_TCP && (pkt->tcp_flags & LIFE_TCP_MASK) == LIFE_SYN;

	if (syn ? answer_make_reset(skb, pkt) : answer_make_icmp(skb, pkt, ICMP_CODE_ADMIN_PROHIBITED, pkt->tuple.dst))
		return TC_ACT_SHOT;
	skb->mark = ANSWER_MARK;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* The packet that was refused becomes the answer, or is dropped where none may or can be sent. */
static SLOW_PATH int refuse(struct __sk_buff *skb, const struct packet *pkt, const struct decision *decision)
{
	const struct config *cfg = platform_config();
	int code;

	if (!answer_is_allowed(skb, pkt))
		return TC_ACT_SHOT;
	if (packet_origin(skb) == ORIGIN_HOST)
		return refuse_host(skb, pkt);
	code = cfg ? reason_icmp_code(decision->reason, cfg->icmp) : -1;
	return code < 0 ? TC_ACT_SHOT : refuse_client(skb, pkt, code);
}

SEC("tc")
int bauta_egress(struct __sk_buff *skb)
{
	struct decision decision = {};
	struct packet pkt = {}; /* 6.1: a function takes no memory that is not initialised */

	decision.reason = sieve_frame(skb);
	if (decision.reason != TRANSLATED_OUTBOUND) {
		report_count(decision.reason);
		return NEXT;
	}
	decision.reason = parse(skb, &pkt) ? translate_outbound(skb, &pkt, packet_origin(skb), &decision) : pkt.bad;
	if (reason_verdict(decision.reason) == VERDICT_TRANSLATED)
		apply(skb, &pkt, &decision);
	/* a RST is sent without a socket, to whoever knocks at a closed port */
	if (decision.reason == PASSED_HOST && !(pkt.tcp_flags & LIFE_RST))
		host_port_see(&pkt.tuple);
	report_count(decision.reason);
	if (packet_is_reported(&decision))
		packet_report(&pkt, &decision, packet_origin(skb));

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

/* The copies that the kernel makes of the host's own multicast come here without a link header. */
SEC("tc")
int bauta_ingress(struct __sk_buff *skb)
{
	struct decision decision = {};
	struct packet pkt = {}; /* 6.1: a function takes no memory that is not initialised */

	decision.reason = skb->pkt_type == PACKET_LOOPBACK ? PASSED_LOOPBACK : sieve_frame(skb);
	if (decision.reason == TRANSLATED_OUTBOUND && skb->mark == ANSWER_MARK) {
		skb->mark = 0;
		decision.reason = PASSED_OWN_ERROR;
	}
	if (decision.reason == TRANSLATED_OUTBOUND) {
		decision.inbound = 1;
		decision.reason = parse(skb, &pkt) ? translate_inbound(&pkt, &decision) : pkt.bad;
	}
	if (reason_verdict(decision.reason) == VERDICT_TRANSLATED)
		apply(skb, &pkt, &decision);
	report_count(decision.reason);
	if (packet_is_reported(&decision))
		packet_report(&pkt, &decision, ORIGIN_FORWARDED);
	return reason_verdict(decision.reason) == VERDICT_DROPPED ? TC_ACT_SHOT : NEXT;
}

/* A batch of the sweep, as the data of a test run. */
struct sweep {
	struct __sk_buff *skb;
	const struct config *cfg;
	__u32 op;
	__u32 num_removed;
};

static long sweep_step(__u32 n, void *ctx)
{
	struct sweep *sweep = ctx;
	struct session_room room = {};
	__u32 index;
	bool removed = false;

	if (bpf_skb_load_bytes(sweep->skb, offsetof(struct sweep_request, index) + n * sizeof(index), &index,
			       sizeof(index)))
		return 1;
	switch (sweep->op) {
	case SWEEP_EXPIRE:
		removed = session_mark(sweep->cfg, index) && session_reap(index, EXPIRE_GRACE_S, &room);
		if (!removed)
			mapping_reap(index, sweep->cfg->rest_s);
		break;
	case SWEEP_FLUSH:
		removed = session_remove(index);
		if (!removed)
			mapping_reap(index, 0);
		break;
	case SWEEP_QUOTA:
		removed = quota_reap(index);
		break;
	}
	if (removed)
		sweep->num_removed++;
	return 0;
}

/* Returns how many were removed. */
SEC("tc")
int bauta_sweep(struct __sk_buff *skb)
{
	struct sweep sweep = { .skb = skb, .cfg = platform_config() };
	struct sweep_head head;

	if (!sweep.cfg || bpf_skb_load_bytes(skb, 0, &head, sizeof(head)) || head.num > SWEEP_BATCH)
		return 0;
	sweep.op = head.op;
	bpf_loop(head.num, sweep_step, &sweep, 0);
	return sweep.num_removed;
}
