/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and making the life word of an entry (contract.h). */
#ifndef BAUTA_LIFE_H
#define BAUTA_LIFE_H

#include "platform.h"

static __always_inline enum phase life_phase(__u32 life)
{
	return life & LIFE_PHASE_MASK;
}

/* Packets see it. */
static __always_inline bool life_is_visible(__u32 life)
{
	return life_phase(life) >= PHASE_LIVE;
}

/* `flags`: LIFE_*, or a life word to have them from. */
static __always_inline __u32 life_make(enum phase phase, __u32 flags, __u32 seen_s)
{
	return phase | (flags & (LIFE_TCP_MASK | LIFE_SESSION)) | (seen_s << LIFE_SEEN_SHIFT);
}

/* Seconds since the last packet. A word written by a CPU whose clock has just ticked can be a second ahead: idle 0. */
static __always_inline __u32 life_idle(__u32 life, __u32 now)
{
	__u32 idle = (now - (life >> LIFE_SEEN_SHIFT)) & LIFE_SEEN_MASK;

	return idle > LIFE_SEEN_MASK / 2 ? 0 : idle;
}

/* Whether inbound packets keep a session alive whose outbound entry has this word. Those of TCP do, until the internal host has
 * sent a RST: what comes then meets a connection that is gone, and the next RST, which answers it, does not count either (RFC
 * 7857 §7.1). For UDP what the internal host sends counts (RFC 4787 REQ-6), and the rest only if the operator wants that
 * (REQ-6a leaves it to us, and a stranger should not hold our ports). For ICMP never.
 */
static __always_inline bool life_counts_inbound(__u8 proto, __u32 out_life, bool inbound_refresh)
{
	if (proto == IPPROTO_TCP)
		return !(out_life & LIFE_RST);
	return proto == IPPROTO_UDP && inbound_refresh;
}

/* The word after a packet of this direction (0 or ENTRY_INBOUND) with these LIFE_* flags (0 for UDP and ICMP). After a FIN or a
 * RST of its own a SYN begins the connection anew. Any other SYN changes nothing: anybody can forge one, and it must not
 * shorten the time that a connection in use is kept. A packet after a RST takes it back (RFC 7857 §2.2: TRANS to
 * ESTABLISHED). An outbound RST after another changes nothing: the time counts from the first.
 */
static __always_inline __u32 life_after(__u32 life, __u8 direction, __u32 flags, __u32 now)
{
	__u32 seen = life & (LIFE_TCP_MASK | LIFE_SESSION) & ~LIFE_RST;

	if ((flags & life & LIFE_RST) && !direction)
		return life;
	if ((flags & LIFE_SYN) && (life & (LIFE_FIN | LIFE_RST)))
		seen &= LIFE_SESSION;
	return life_make(PHASE_LIVE, seen | flags, now);
}

#endif
