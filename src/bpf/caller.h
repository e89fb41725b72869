/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who makes a call: whether it is of our network namespace, and what the kernel has noted in its socket. */
#ifndef BAUTA_BPF_CALLER_H
#define BAUTA_BPF_CALLER_H

#include "platform.h"

/* The network namespace of the gateway. */
const volatile __u64 netns_cookie;

/* The byte of struct sock, and the bit in it, that say that the program chose the port; mask 0: not known. */
const volatile __u32 port_lock_offset;
const volatile __u32 port_lock_mask;

/* The same for a socket of IPv6 that leaves IPv4 alone. */
const volatile __u32 v6only_offset;
const volatile __u32 v6only_mask;

/* The ports that the kernel chooses from, in case that it is not known: host order, both included. */
const volatile __u32 ephemeral_first;
const volatile __u32 ephemeral_last;

static __always_inline bool caller_is_ours(void *ctx)
{
	return bpf_get_netns_cookie(ctx) == netns_cookie;
}

/* A byte of struct sock. The verifier allows no arithmetic on a pointer to a socket; on its copy, a mere number, it does. */
static __always_inline bool caller_read(void *sk, __u32 offset, __u8 *ret_byte)
{
	void *volatile pointer = sk;
	__u64 address = 0;

	return !bpf_probe_read_kernel(&address, sizeof(address), (const void *)&pointer) &&
	       !bpf_probe_read_kernel(ret_byte, sizeof(*ret_byte), (const void *)(address + offset));
}

static __always_inline bool caller_chose_port(struct bpf_sock *sk)
{
	__u8 byte = 0;

	if (!port_lock_mask)
		return sk->src_port < ephemeral_first || sk->src_port > ephemeral_last;
	return !caller_read(sk, port_lock_offset, &byte) || (byte & port_lock_mask);
}

static __always_inline bool caller_is_v6only(void *sk)
{
	__u8 byte = 0;

	return v6only_mask && caller_read(sk, v6only_offset, &byte) && (byte & v6only_mask);
}

#endif
