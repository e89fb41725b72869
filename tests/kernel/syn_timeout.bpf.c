/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shortens the time until the first SYN of a connection is sent again. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define REMOTE bpf_htonl(0xc0000208)

__u32 local_port;
__u32 remote_port;

SEC("sockops")
int shorten(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_TIMEOUT_INIT && ctx->remote_ip4 == REMOTE) {
		local_port = ctx->local_port;
		remote_port = bpf_ntohl(ctx->remote_port);
		ctx->reply = 1; /* jiffy */
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
