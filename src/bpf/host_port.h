/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Noting the ports that sockets of the host sit on, whatever the remote: with `borrow` they are not the NAT's. */
#ifndef BAUTA_BPF_HOST_PORT_H
#define BAUTA_BPF_HOST_PORT_H

#include "platform.h"
#include "tuple.h"

/* 127.0.0.0/8 never meets the external interface. */
static __always_inline bool host_port_is_loopback(__be32 addr)
{
	return (addr & cpu_to_be32(0xff000000)) == cpu_to_be32(0x7f000000);
}

/* A socket of the host has this port. `fresh` first (contract.h). For every packet of the host: once a second it writes. */
static __always_inline void host_port_note(__u8 proto, __be16 port)
{
	struct host_ports *ports;
	__u32 number = be16_to_cpu(port), word = number / 64;
	__u64 bit = 1ull << number % 64;

	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return;
	ports = platform_host_ports(proto == IPPROTO_TCP ? SPACE_TCP : SPACE_UDP);
	if (!ports || word >= PORT_WORDS)
		return;
	if (!(READ_ONCE(ports->fresh[word]) & bit))
		__sync_fetch_and_or(&ports->fresh[word], bit);
	if (!(READ_ONCE(ports->held[word]) & bit))
		__sync_fetch_and_or(&ports->held[word], bit);
}

/* A packet of the host: its socket sits on the source port. A function of its own, so that the caller's stack has no part in
 * it; 0.
 */
SLOW_PATH int host_port_see(const struct tuple *tuple)
{
	const struct config *cfg = platform_config();

	if (tuple && cfg && cfg->borrow && tuple->sport)
		host_port_note(tuple->proto, tuple->sport);
	return 0;
}

#endif
