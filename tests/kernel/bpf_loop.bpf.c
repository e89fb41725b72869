/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loops over a function in a tc program, as the search for a port does. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct search {
	struct __sk_buff *skb;
	__u32 wanted;
	__u32 rounds;
	__u32 num_sockets;
};

__u32 wanted;
__u32 num_rounds;
__u32 rounds;
__u32 num_sockets;
__u64 result;

static long step(__u32 index, void *ctx)
{
	struct search *search = ctx;

	search->rounds++;
	return index == search->wanted;
}

SEC("tc")
int count(struct __sk_buff *skb)
{
	struct search search = { .skb = skb, .wanted = wanted };

	result = bpf_loop(num_rounds, step, &search, 0);
	rounds = search.rounds;
	return TC_ACT_OK;
}

/* The function needs the packet itself, to look sockets up: listeners of 127.0.0.1, port by port. */
static long look_up(__u32 index, void *ctx)
{
	struct search *search = ctx;
	struct bpf_sock_tuple tuple = {
		.ipv4 = {
			.saddr = bpf_htonl(0x7f000001),
			.daddr = bpf_htonl(0x7f000001),
			.sport = bpf_htons(1),
			.dport = bpf_htons(index + 1),
		},
	};
	struct bpf_sock *socket = bpf_skc_lookup_tcp(search->skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);

	if (!socket)
		return 0;
	bpf_sk_release(socket);
	search->num_sockets++;
	return 0;
}

SEC("tc")
int find_sockets(struct __sk_buff *skb)
{
	struct search search = { .skb = skb };

	result = bpf_loop(num_rounds, look_up, &search, 0);
	num_sockets = search.num_sockets;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
