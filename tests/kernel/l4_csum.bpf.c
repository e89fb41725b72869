/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rewrites address and port of the client's packets at the external interface, and those of the answers back. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define CLIENT bpf_htonl(0xc0a80005)
#define EXTERNAL bpf_htonl(0xc0000201)
#define OTHER_PORT 0x1234 /* the external port is the internal one with these bits turned over */

struct rewrite {
	__u32 addr_offset; /* in the packet */
	__u32 port_offset;
	__be32 old_addr;
	__be32 new_addr;
};

__u32 max_len;
__u32 num_failed;

static __always_inline int apply(struct __sk_buff *skb, const struct rewrite *rewrite, __u8 protocol)
{
	const __u32 l4 = ETH_HLEN + sizeof(struct iphdr);
	__u32 check = l4 + offsetof(struct tcphdr, check);
	__u32 flags = 0;
	__be16 old_port, new_port;

	if (protocol == IPPROTO_UDP) {
		check = l4 + offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0; /* 0 means that there is none: it stays, and none becomes 0 */
	}
	if (bpf_skb_load_bytes(skb, rewrite->port_offset, &old_port, sizeof(old_port)))
		return -1;
	new_port = old_port ^ bpf_htons(OTHER_PORT);
	if (bpf_l4_csum_replace(skb, check, rewrite->old_addr, rewrite->new_addr, BPF_F_PSEUDO_HDR | flags | 4) ||
	    bpf_l4_csum_replace(skb, check, old_port, new_port, flags | 2) ||
	    bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), rewrite->old_addr, rewrite->new_addr, 4))
		return -1;
	return bpf_skb_store_bytes(skb, rewrite->port_offset, &new_port, sizeof(new_port), 0) ||
	       bpf_skb_store_bytes(skb, rewrite->addr_offset, &rewrite->new_addr, 4, 0);
}

static __always_inline int work(struct __sk_buff *skb, bool leaving)
{
	struct rewrite rewrite = {
		.addr_offset = ETH_HLEN + offsetof(struct iphdr, daddr),
		.port_offset = ETH_HLEN + sizeof(struct iphdr) + offsetof(struct udphdr, dest),
		.old_addr = EXTERNAL,
		.new_addr = CLIENT,
	};
	struct iphdr ip;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return TC_ACT_OK;
	if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP)
		return TC_ACT_OK;
	if (leaving) {
		rewrite.addr_offset = ETH_HLEN + offsetof(struct iphdr, saddr);
		rewrite.port_offset = ETH_HLEN + sizeof(struct iphdr) + offsetof(struct udphdr, source);
		rewrite.old_addr = CLIENT;
		rewrite.new_addr = EXTERNAL;
	}
	if ((leaving ? ip.saddr : ip.daddr) != rewrite.old_addr)
		return TC_ACT_OK;
	if (skb->len > max_len)
		max_len = skb->len;
	if (apply(skb, &rewrite, ip.protocol)) {
		__sync_fetch_and_add(&num_failed, 1);
		return TC_ACT_SHOT;
	}
	return TC_ACT_OK;
}

SEC("tc")
int leave(struct __sk_buff *skb)
{
	return work(skb, true);
}

SEC("tc")
int enter(struct __sk_buff *skb)
{
	return work(skb, false);
}

char _license[] SEC("license") = "GPL";
