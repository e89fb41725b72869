/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks up, at tc egress, who would get a TCP packet; and drops TCP packets when asked to. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { NOBODY = -1 };

struct bpf_sock_tuple tuple; /* as the packet would carry it: source the remote, destination the host */
__s32 state;
__u32 num_looked_up;
__u32 dropping;

SEC("tc")
int leave(struct __sk_buff *skb)
{
	struct bpf_sock_tuple wanted = tuple;
	struct bpf_sock *socket;
	struct iphdr ip;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return TC_ACT_OK;
	if (ip.protocol == IPPROTO_TCP && dropping)
		return TC_ACT_STOLEN; /* as if lost on the way: a drop would be noticed and repeated at once */
	if (ip.protocol != IPPROTO_UDP)
		return TC_ACT_OK;

	socket = bpf_skc_lookup_tcp(skb, &wanted, sizeof(wanted.ipv4), BPF_F_CURRENT_NETNS, 0);
	state = NOBODY;
	if (socket) {
		state = socket->state;
		bpf_sk_release(socket);
	}
	__sync_fetch_and_add(&num_looked_up, 1);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
