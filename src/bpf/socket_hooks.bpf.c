/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host's programs are told when they ask for a tuple that the NAT holds: EADDRINUSE, from connect() and sendto().
 *
 * A program that chose its port itself must have that port or an error. One that left the choice to the kernel does not mind
 * which port it has, and is let go: tc egress translates its flow. So who chose matters; the kernel notes it in the
 * socket (SOCK_BINDPORT_LOCK of sk_userlocks), whenever the socket was made, and that is looked up there. Where the
 * kernel does not describe itself or does not let us look, a port outside of the range that it chooses from counts as the
 * program's choice.
 *
 * These programs are asked about every such call on the machine. Those of other network namespaces are let go at once, and
 * of the others a look-up in the store decides. They take no lock and change nothing but counters.
 */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "platform.h"
#include "report.h"
#include "store.h"

enum { REFUSE, ALLOW };

#define EADDRINUSE 98 /* asm-generic/errno.h, which all our architectures use; the header draws in the C library */
#define IPV4_IN_IPV6 bpf_htonl(0xffff)

char license_text[] SEC("license") = "GPL";

/* The network namespace of the gateway. */
const volatile __u64 netns_cookie;

/* The byte of struct sock, and the bit in it, that say that the program chose the port; mask 0: not known. */
const volatile __u32 port_lock_offset;
const volatile __u32 port_lock_mask;

/* The ports that the kernel chooses from, in case that it is not known: host order, both included. */
const volatile __u32 ephemeral_first;
const volatile __u32 ephemeral_last;

static __always_inline bool is_ours(void *ctx)
{
	return bpf_get_netns_cookie(ctx) == netns_cookie;
}

/* Whether the program chose the port of its socket. The verifier allows no arithmetic on a pointer to a socket; on its copy,
 * a mere number, it does.
 */
static __always_inline bool is_chosen_by_program(struct bpf_sock *sk)
{
	struct bpf_sock *volatile pointer = sk;
	__u64 address = 0;
	__u8 byte = 0;

	if (!port_lock_mask)
		return sk->src_port < ephemeral_first || sk->src_port > ephemeral_last;
	if (bpf_probe_read_kernel(&address, sizeof(address), (const void *)&pointer) ||
	    bpf_probe_read_kernel(&byte, sizeof(byte), (const void *)(address + port_lock_offset)))
		return true;
	return byte & port_lock_mask;
}

/* Counts a call that was denied, keeps it, tells of it. `owner` is whose the tuple is. */
static __always_inline int deny(enum reason reason, const struct tuple *outbound, const struct endpoint *owner)
{
	struct event event = {
		.reason = reason,
		.proto = outbound->proto,
		.owner = OWNER_SESSION,
		.from_host = 1,
		.src = outbound->src,
		.sport = outbound->sport,
		.dst = outbound->dst,
		.dport = outbound->dport,
		.owner_addr = owner->addr,
		.owner_port = owner->port,
		.pid = bpf_get_current_pid_tgid() >> 32,
	};

	bpf_get_current_comm(event.comm, sizeof(event.comm));
	report_count(reason);
	report(&event);
	bpf_set_retval(-EADDRINUSE);
	return REFUSE;
}

/* Whether somebody else's session holds the tuple of the packets that would come back. A flow that is translated already
 * does not need it. A tuple of all zero remote would find a mapping.
 */
static __always_inline bool is_held(const struct tuple *outbound, struct endpoint *ret_owner)
{
	struct key inbound = { .tuple = tuple_reverse(outbound), .direction = ENTRY_INBOUND };
	struct key own = { .tuple = *outbound };
	struct found found = {};

	if (!store_get(&inbound, &found) || (found.flags & ENTRY_MAPPING))
		return false;
	if (found.new.addr == outbound->src && found.new.port == outbound->sport)
		return false;
	*ret_owner = found.new;
	return store_find(&own) == INDEX_NONE;
}

/* A socket that wants to send from `source` (0: whatever the kernel says) to a remote. */
static __always_inline int judge(struct bpf_sock_addr *ctx, __be32 source, __be32 remote, enum reason reason)
{
	struct endpoint owner = {};
	struct tuple outbound = {};
	struct bpf_sock *sk = ctx->sk;
	const struct config *cfg;

	if (!sk || !sk->src_port || !remote)
		return ALLOW;
	if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP && ctx->protocol != IPPROTO_ICMP)
		return ALLOW;
	if (!source) {
		cfg = platform_config();
		if (!cfg)
			return ALLOW;
		source = cfg->source;
	}
	outbound.src = source;
	outbound.sport = bpf_htons(sk->src_port);
	outbound.dst = remote;
	outbound.dport = ctx->protocol == IPPROTO_ICMP ? 0 : ctx->user_port;
	outbound.proto = ctx->protocol;
	if (!is_held(&outbound, &owner) || !is_chosen_by_program(sk))
		return ALLOW;
	return deny(reason, &outbound, &owner);
}

SEC("cgroup/connect4")
int bauta_connect4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (!is_ours(ctx) || !sk)
		return ALLOW;
	return judge(ctx, sk->src_ip4, ctx->user_ip4, DENIED_CONNECT);
}

/* A socket of IPv6 that connects to an IPv4 address does not come by connect4. */
SEC("cgroup/connect6")
int bauta_connect6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (!is_ours(ctx) || !sk)
		return ALLOW;
	if (ctx->user_ip6[0] || ctx->user_ip6[1] || ctx->user_ip6[2] != IPV4_IN_IPV6)
		return ALLOW;
	return judge(ctx, sk->src_ip4, ctx->user_ip6[3], DENIED_CONNECT);
}

/* Sockets of IPv6 that send to an IPv4 address come here too. */
SEC("cgroup/sendmsg4")
int bauta_sendmsg4(struct bpf_sock_addr *ctx)
{
	if (!is_ours(ctx))
		return ALLOW;
	return judge(ctx, ctx->msg_src_ip4, ctx->user_ip4, DENIED_SEND);
}
