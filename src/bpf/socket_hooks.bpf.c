/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host's programs are told when they ask for a tuple, or with `borrow` for a port, that the NAT holds: EADDRINUSE,
 * from connect(), sendto() and bind().
 *
 * A program that chose its port itself must have that port or an error. One that left the choice to the kernel does not mind
 * which port it has, and is let go: tc egress translates its flow. So who chose matters; the kernel notes it in the
 * socket (SOCK_BINDPORT_LOCK of sk_userlocks), whenever the socket was made, and that is looked up there. Where the
 * kernel does not describe itself or does not let us look, a port outside of the range that it chooses from counts as the
 * program's choice.
 *
 * With `borrow` a port is the NAT's or the host's, whatever the remote. A bind to a port with a mapping is refused before
 * the kernel does anything, and looked at again when the kernel has given the port and it is noted as the host's: of the
 * NAT and a program who take one port at the same moment, at least one sees the other. That second look also finds
 * ports that the kernel chose; it does not choose again, so bind() fails there too.
 *
 * These programs are asked about every such call on the machine. Those of other network namespaces are let go at once, and
 * of the others a look-up or two decide. They take no lock and change nothing but counters and the map of the host's ports.
 */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "caller.h"
#include "host_port.h"
#include "platform.h"
#include "pool.h"
#include "report.h"
#include "store.h"

enum { REFUSE, ALLOW };

#define EADDRINUSE 98 /* asm-generic/errno.h, which all our architectures use; the header draws in the C library */
#define IPV4_IN_IPV6 bpf_htonl(0xffff)

char license_text[] SEC("license") = "GPL";

/* The verifier wants to see that a hook returns 0 or 1, and loses sight of a value that was put aside on the stack. */
static __always_inline int answer(int verdict)
{
	OPTIMIZER_HIDE_VAR(verdict);
	return verdict & 1;
}

/* Counts a call that was denied, keeps it, tells of it. `owner` is whose the tuple or the port is; zero: nobody's in
 * particular.
 */
static __always_inline int deny(enum reason reason, const struct tuple *outbound, const struct endpoint *owner)
{
	struct event event = {
		.reason = reason,
		.proto = outbound->proto,
		.owner = owner->addr ? OWNER_SESSION : OWNER_NONE,
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
	if (!is_held(&outbound, &owner) || !caller_chose_port(sk))
		return ALLOW;
	return deny(reason, &outbound, &owner);
}

SEC("cgroup/connect4")
int bauta_connect4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (!caller_is_ours(ctx) || !sk)
		return ALLOW;
	return answer(judge(ctx, sk->src_ip4, ctx->user_ip4, DENIED_CONNECT));
}

/* A socket of IPv6 that connects to an IPv4 address does not come by connect4. */
SEC("cgroup/connect6")
int bauta_connect6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (!caller_is_ours(ctx) || !sk)
		return ALLOW;
	if (ctx->user_ip6[0] || ctx->user_ip6[1] || ctx->user_ip6[2] != IPV4_IN_IPV6)
		return ALLOW;
	return answer(judge(ctx, sk->src_ip4, ctx->user_ip6[3], DENIED_CONNECT));
}

/* Sockets of IPv6 that send to an IPv4 address come here too. */
SEC("cgroup/sendmsg4")
int bauta_sendmsg4(struct bpf_sock_addr *ctx)
{
	if (!caller_is_ours(ctx))
		return ALLOW;
	return answer(judge(ctx, ctx->msg_src_ip4, ctx->user_ip4, DENIED_SEND));
}

/* ---- borrowed ports -------------------------------------------------------------------------------------------- */

/* Whose the mapping of an external endpoint is. Zero if it has just gone, or is the port's own. */
static __always_inline struct endpoint mapping_owner(__u8 proto, __be32 addr, __be16 port)
{
	struct key key = { .direction = ENTRY_INBOUND };
	struct endpoint nobody = {};
	struct found found = {};

	key.tuple.dst = addr;
	key.tuple.dport = port;
	key.tuple.proto = proto;
	if (!store_get(&key, &found) || (found.new.addr == addr &&found.new.port == port))
		return nobody;
	return found.new;
}

/* A search among the pools of all external addresses. */
struct bind_search {
	__be32 addr; /* of the socket; 0: any */
	__u16 port;  /* host order */
	__u16 space;
	__be32 in_use; /* the external address on which the NAT uses the port; 0: none */
};

static long bind_search_step(__u32 n, void *ctx)
{
	struct bind_search *search = ctx;
	struct header *header = platform_header();
	struct pool *pool;
	__be32 external;

	if (!header || n >= MAX_EXTERNAL || n >= READ_ONCE(header->num_pool_addrs))
		return 1;
	external = READ_ONCE(header->pool_addr[n]);
	if (!external || (search->addr && search->addr != external))
		return 0;
	pool = platform_pool(n * NUM_SPACE + search->space);
	if (!pool || !bitmap_has(pool->used, search->port))
		return 0;
	search->in_use = external;
	return 1;
}

/* A socket that wants, or has just got, this endpoint. */
static __always_inline int judge_bind(__u32 proto, __be32 addr, __be16 port)
{
	struct bind_search search = {
		.addr = addr,
		.port = be16_to_cpu(port),
		.space = proto == IPPROTO_TCP ? SPACE_TCP : SPACE_UDP,
	};
	struct tuple own = {};
	struct endpoint owner;

	platform_loop(MAX_EXTERNAL, bind_search_step, &search);
	if (!search.in_use)
		return ALLOW;
	own.src = search.in_use;
	own.sport = port;
	own.proto = proto;
	owner = mapping_owner(proto, search.in_use, port);
	return deny(DENIED_BIND, &own, &owner);
}

/* Whether a bind concerns the NAT. */
static __always_inline bool is_borrowed(__u32 proto, __be32 addr, __be16 port)
{
	const struct config *cfg;

	if (!port || (proto != IPPROTO_TCP && proto != IPPROTO_UDP) || host_port_is_loopback(addr))
		return false;
	cfg = platform_config();
	return cfg && cfg->borrow;
}

static __always_inline int before_bind(struct bpf_sock_addr *ctx, __be32 addr)
{
	return is_borrowed(ctx->protocol, addr, ctx->user_port) ? judge_bind(ctx->protocol, addr, ctx->user_port)
								: ALLOW;
}

static __always_inline int after_bind(struct bpf_sock *sk, __be32 addr)
{
	__be16 port = bpf_htons(sk->src_port);

	if (!is_borrowed(sk->protocol, addr, port))
		return ALLOW;
	host_port_note(sk->protocol, port, 0);
	return judge_bind(sk->protocol, addr, port);
}

SEC("cgroup/bind4")
int bauta_bind4(struct bpf_sock_addr *ctx)
{
	return caller_is_ours(ctx) ? answer(before_bind(ctx, ctx->user_ip4)) : ALLOW;
}

SEC("cgroup/post_bind4")
int bauta_post_bind4(struct bpf_sock *sk)
{
	return caller_is_ours(sk) ? answer(after_bind(sk, sk->src_ip4)) : ALLOW;
}

/* The IPv4 address that a socket of IPv6 takes with this address: 0 is any. False if it takes none. */
static __always_inline bool ipv4_of(const __u32 addr[4], void *sk, __be32 *ret_addr)
{
	if (addr[0] || addr[1] || (addr[2] && addr[2] != IPV4_IN_IPV6))
		return false;
	if (!addr[2] && (addr[3] || caller_is_v6only(sk)))
		return false;
	*ret_addr = addr[3];
	return true;
}

SEC("cgroup/bind6")
int bauta_bind6(struct bpf_sock_addr *ctx)
{
	__u32 addr6[4];
	__be32 addr;

	if (!caller_is_ours(ctx) || !ctx->sk)
		return ALLOW;
	addr6[0] = ctx->user_ip6[0];
	addr6[1] = ctx->user_ip6[1];
	addr6[2] = ctx->user_ip6[2];
	addr6[3] = ctx->user_ip6[3];
	return ipv4_of(addr6, ctx->sk, &addr) ? answer(before_bind(ctx, addr)) : ALLOW;
}

SEC("cgroup/post_bind6")
int bauta_post_bind6(struct bpf_sock *sk)
{
	__u32 addr6[4];
	__be32 addr;

	if (!caller_is_ours(sk))
		return ALLOW;
	addr6[0] = sk->src_ip6[0];
	addr6[1] = sk->src_ip6[1];
	addr6[2] = sk->src_ip6[2];
	addr6[3] = sk->src_ip6[3];
	return ipv4_of(addr6, sk, &addr) ? answer(after_bind(sk, addr)) : ALLOW;
}
