/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a program at bind, connect and sendto may know of the socket and of the process, and whom it may refuse. */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "socket_hook.h"

enum { REFUSE, ALLOW };

struct seen seen[NUM_HOOK];
__u32 refuse_hook = NUM_HOOK; /* which hook refuses, with `error` */
__s32 error;

/* Where in struct sock the kernel notes that the program chose the port (SOCK_BINDPORT_LOCK of sk_userlocks). */
const volatile __u32 lock_offset;
const volatile __u32 lock_mask;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

/* The verifier allows no arithmetic on a pointer to a socket; on its copy, a mere number, it does. */
static __always_inline __u32 is_chosen(struct bpf_sock *sk)
{
	struct bpf_sock *volatile pointer = sk;
	__u64 address = 0;
	__u8 byte = 0;

	bpf_probe_read_kernel(&address, sizeof(address), (const void *)&pointer);
	bpf_probe_read_kernel(&byte, sizeof(byte), (const void *)(address + lock_offset));
	return !!(byte & lock_mask);
}

static __always_inline int verdict(enum hook hook)
{
	__u32 *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);

	if (event) {
		*event = hook;
		bpf_ringbuf_submit(event, 0);
	}
	if (refuse_hook != hook)
		return ALLOW;
	bpf_set_retval(-error);
	return REFUSE;
}

static __always_inline void note_process(struct seen *s)
{
	s->num++;
	s->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(s->comm, sizeof(s->comm));
}

static __always_inline int look(struct bpf_sock_addr *ctx, enum hook hook)
{
	struct seen *s = &seen[hook];
	struct bpf_sock *sk = ctx->sk;

	note_process(s);
	s->netns = bpf_get_netns_cookie(ctx);
	s->protocol = ctx->protocol;
	s->type = ctx->type;
	s->remote_port = bpf_ntohs(ctx->user_port);
	if (sk) {
		s->port = sk->src_port;
		s->own = sk->src_ip4;
		s->chosen = is_chosen(sk);
	}
	return verdict(hook);
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	seen[BIND4].remote = ctx->user_ip4;
	return look(ctx, BIND4);
}

SEC("cgroup/post_bind4")
int post_bind4(struct bpf_sock *ctx)
{
	struct seen *s = &seen[POST_BIND4];

	note_process(s);
	s->netns = bpf_get_netns_cookie(ctx);
	s->protocol = ctx->protocol;
	s->type = ctx->type;
	s->port = ctx->src_port;
	s->own = ctx->src_ip4;
	return verdict(POST_BIND4);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	seen[CONNECT4].remote = ctx->user_ip4;
	return look(ctx, CONNECT4);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	seen[CONNECT6].remote = ctx->user_ip6[3];
	return look(ctx, CONNECT6);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	seen[SENDMSG4].remote = ctx->user_ip4;
	return look(ctx, SENDMSG4);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	seen[SENDMSG6].remote = ctx->user_ip6[3];
	return look(ctx, SENDMSG6);
}

char _license[] SEC("license") = "GPL";
