/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking the kernel's socket tables who of the host would receive a packet. */
#ifndef BAUTA_BPF_SOCKET_H
#define BAUTA_BPF_SOCKET_H

#include "platform.h"
#include "tuple.h"

static __always_inline struct bpf_sock_tuple socket_tuple(const struct tuple *inbound)
{
	struct bpf_sock_tuple tuple = {
		.ipv4.saddr = inbound->src,
		.ipv4.daddr = inbound->dst,
		.ipv4.sport = inbound->sport,
		.ipv4.dport = inbound->dport,
	};

	return tuple;
}

/* Whether a socket would receive it. Looked up as if the packet arrived on the interface of `hook`: connected, listening and
 * wildcard-bound sockets, those in TIME_WAIT, and half-open connections. The kernel's tables are the truth about the host, and
 * hold what was there before the gateway started. ICMP identifiers have no table.
 */
static __always_inline bool socket_holds(void *hook, const struct tuple *inbound)
{
	struct bpf_sock_tuple tuple = socket_tuple(inbound);
	struct bpf_sock *sock;

	if (inbound->proto == IPPROTO_TCP)
		sock = bpf_skc_lookup_tcp(hook, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	else if (inbound->proto == IPPROTO_UDP)
		sock = bpf_sk_lookup_udp(hook, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	else
		return false;
	if (!sock)
		return false;
	bpf_sk_release(sock);
	return true;
}

/* One that listens, or is bound only, has no remote. */
static __always_inline bool platform_host_connected(void *hook, const struct tuple *inbound)
{
	struct bpf_sock_tuple tuple = socket_tuple(inbound);
	struct bpf_sock *sock;
	__be32 remote;

	/* Twice, and not for the compiler to make one: the two look-ups give pointers of different kinds, and the verifier
	 * lets no instruction read both.
	 */
	if (inbound->proto == IPPROTO_TCP) {
		sock = bpf_skc_lookup_tcp(hook, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
		if (!sock)
			return false;
		remote = READ_ONCE(sock->dst_ip4);
		OPTIMIZER_HIDE_VAR(remote);
		bpf_sk_release(sock);
		return remote == inbound->src;
	}
	sock = bpf_sk_lookup_udp(hook, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	if (!sock)
		return false;
	remote = READ_ONCE(sock->dst_ip4);
	bpf_sk_release(sock);
	return remote == inbound->src;
}

#endif
