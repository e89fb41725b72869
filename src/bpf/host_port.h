/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Noting the ports that sockets of the host sit on, whatever the remote: with `borrow` they are not the NAT's; and with
 * `fast_create` those of sockets that are bound to an interface.
 */
#ifndef BAUTA_BPF_HOST_PORT_H
#define BAUTA_BPF_HOST_PORT_H

#include "platform.h"
#include "tuple.h"

/* 127.0.0.0/8 never meets the external interface. */
static __always_inline bool host_port_is_loopback(__be32 addr)
{
	return (addr & cpu_to_be32(0xff000000)) == cpu_to_be32(0x7f000000);
}

/* The ports of a protocol in a part of host_ports: 0, or HOST_PORTS_BOUND. NULL for a protocol that has none. */
static __always_inline struct host_ports *host_port_map(__u8 proto, __u32 part)
{
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return NULL;
	return platform_host_ports(part + (proto == IPPROTO_TCP ? SPACE_TCP : SPACE_UDP));
}

/* A socket of the host has this port. `fresh` first (contract.h). For every packet of the host: once a second it writes. */
static __always_inline void host_port_note(__u8 proto, __be16 port, __u32 part)
{
	struct host_ports *ports = host_port_map(proto, part);
	__u32 number = be16_to_cpu(port), word = number / 64;
	__u64 bit = 1ull << number % 64;

	OPTIMIZER_HIDE_VAR(word); /* the verifier of 6.1 does not know that it is below */
	if (!ports || word >= PORT_WORDS)
		return;
	if (!(READ_ONCE(ports->fresh[word]) & bit))
		__sync_fetch_and_or(&ports->fresh[word], bit);
	if (!(READ_ONCE(ports->held[word]) & bit))
		__sync_fetch_and_or(&ports->held[word], bit);
}

/* Whether a socket that is bound to an interface sits on the port; what is fresh stands in both but for the moment in which
 * the daemon clears what is old.
 */
static __always_inline bool host_port_is_bound(__u8 proto, __be16 port)
{
	struct host_ports *ports = host_port_map(proto, HOST_PORTS_BOUND);
	__u32 number = be16_to_cpu(port), word = number / 64;

	OPTIMIZER_HIDE_VAR(word); /* the verifier of 6.1 does not know that it is below */
	if (!ports || word >= PORT_WORDS)
		return false;
	return (READ_ONCE(ports->held[word]) | READ_ONCE(ports->fresh[word])) >> number % 64 & 1;
}

/* A packet of the host: its socket sits on the source port. A function of its own, so that the caller's stack has no part in
 * it; 0.
 */
SLOW_PATH int host_port_see(struct __sk_buff *skb, const struct tuple *tuple)
{
	const struct config *cfg = platform_config();
	struct bpf_sock *sk;

	if (!tuple || !cfg || !tuple->sport)
		return 0;
	if (cfg->borrow)
		host_port_note(tuple->proto, tuple->sport, 0);
	if (!cfg->fast_create || !skb->sk)
		return 0;
	sk = bpf_sk_fullsock(skb->sk);
	if (sk && sk->bound_dev_if)
		host_port_note(tuple->proto, tuple->sport, HOST_PORTS_BOUND);
	return 0;
}

#endif
