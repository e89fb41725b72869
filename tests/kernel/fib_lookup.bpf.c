/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks where a packet from the client to the remote would go. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define CLIENT bpf_htonl(0xc0a80005)
#define REMOTE bpf_htonl(0xc0000208)
#define FAMILY_IPV4 2

__u32 internal; /* interface that it comes in by */
__s64 result;
__u32 ifindex;
__u8 dmac[6];

SEC("tc")
int ask(struct __sk_buff *skb)
{
	struct bpf_fib_lookup params = {
		.family = FAMILY_IPV4,
		.ifindex = internal,
		.ipv4_src = CLIENT,
		.ipv4_dst = REMOTE,
	};

	result = bpf_fib_lookup(skb, &params, sizeof(params), 0);
	ifindex = params.ifindex;
	__builtin_memcpy(dmac, params.dmac, sizeof(dmac));
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
