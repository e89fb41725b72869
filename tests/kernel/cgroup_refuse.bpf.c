/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refuses bind, connect and sendto with an error of its choice, in one network namespace. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { REFUSE, ALLOW };

__u64 our_netns;
__u32 our_port; /* host order */
__s32 error;    /* 0: whatever the kernel says by itself */

__u32 num_seen;
__u32 port_seen; /* the socket's own, at connect or sendto */

static __always_inline int decide(struct bpf_sock_addr *ctx, __u32 port)
{
	if (bpf_get_netns_cookie(ctx) != our_netns)
		return ALLOW;
	__sync_fetch_and_add(&num_seen, 1);
	port_seen = port;
	if (port != our_port)
		return ALLOW;
	if (error)
		bpf_set_retval(-error);
	return REFUSE;
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	return decide(ctx, bpf_ntohs(ctx->user_port));
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return decide(ctx, ctx->sk ? ctx->sk->src_port : 0);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return decide(ctx, ctx->sk ? ctx->sk->src_port : 0);
}

char _license[] SEC("license") = "GPL";
