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

static __always_inline __u32 life_make(enum phase phase, __u32 tcp_flags, __u32 seen_s)
{
	return phase | (tcp_flags & LIFE_TCP_MASK) | (seen_s << LIFE_SEEN_SHIFT);
}

/* Seconds since the last packet. A word written by a CPU whose clock has just ticked can be a second ahead: idle 0. */
static __always_inline __u32 life_idle(__u32 life, __u32 now)
{
	__u32 idle = (now - (life >> LIFE_SEEN_SHIFT)) & LIFE_SEEN_MASK;

	return idle > LIFE_SEEN_MASK / 2 ? 0 : idle;
}

/* Whether inbound packets keep a session alive. Those of TCP do. For UDP and ICMP only what the internal host sends does (RFC
 * 4787 REQ-6; REQ-6a leaves inbound packets to us, and a stranger should not hold our ports).
 */
static __always_inline bool life_counts_inbound(__u8 proto)
{
	return proto == IPPROTO_TCP;
}

/* The word after a packet of this direction with these LIFE_* flags (0 for UDP and ICMP). After a FIN or a RST of its own
 * a SYN begins the connection anew. Any other SYN changes nothing: anybody can forge one, and it must not shorten the
 * time that a connection in use is kept. A packet after a RST takes it back (RFC 7857 §2.2: TRANS to ESTABLISHED).
 */
static __always_inline __u32 life_after(__u32 life, __u32 flags, __u32 now)
{
	__u32 seen = life & LIFE_TCP_MASK & ~LIFE_RST;

	if ((flags & LIFE_SYN) && (life & (LIFE_FIN | LIFE_RST)))
		seen = 0;
	return life_make(PHASE_LIVE, seen | flags, now);
}

#endif
