/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of a session, derived from the life words of its two entries, and when it expires. Pure functions. */
#ifndef BAUTA_SESSION_H
#define BAUTA_SESSION_H

#include "life.h"
#include "platform.h"

/* state         what it means                                   left by                              timeout
 * ACTIVE        UDP or an ICMP query                            -                                    4787 REQ-5, 5508 REQ-2
 * OPENING       not yet an ACK from both sides                  ACK of both; RST                     240 s, 5382 REQ-5
 * ESTABLISHED   both sides have sent an ACK                     FIN, RST                             7440 s, 5382 REQ-5
 * HALF_CLOSED   one side has sent a FIN                         the other's FIN; RST; its own SYN    7440 s, 5382 §5
 * CLOSING       both have                                       SYN; RST                             240 s, 5382 REQ-5
 * RESET         one side has sent a RST, and nothing followed   any packet of the other, later on;   240 s, 7857 §2.2
 *                                                               any but RST of the same side
 */
enum session_state {
	SESSION_ACTIVE,
	SESSION_OPENING,
	SESSION_ESTABLISHED,
	SESSION_HALF_CLOSED,
	SESSION_CLOSING,
	SESSION_RESET,
	NUM_SESSION_STATE,
};

/* Whether the RST in `life` still stands: the other direction has not been heard of in a later second. */
static __always_inline bool life_is_reset(__u32 life, __u32 other)
{
	return (life & LIFE_RST) && life_idle(life, other >> LIFE_SEEN_SHIFT) == 0;
}

static __always_inline enum session_state session_state(__u8 proto, __u32 out_life, __u32 in_life)
{
	if (proto != IPPROTO_TCP)
		return SESSION_ACTIVE;
	if (life_is_reset(out_life, in_life) || life_is_reset(in_life, out_life))
		return SESSION_RESET;
	/* also a FIN before that, or the FIN of an earlier connection: nothing there that would be worth two hours */
	if (!(out_life & in_life & LIFE_ACK))
		return SESSION_OPENING;
	if (out_life & in_life & LIFE_FIN)
		return SESSION_CLOSING;
	if ((out_life | in_life) & LIFE_FIN)
		return SESSION_HALF_CLOSED;
	return SESSION_ESTABLISHED;
}

static __always_inline __u32 session_timeout(const struct config *cfg, __u8 proto, enum session_state state)
{
	switch (state) {
	case SESSION_ACTIVE:
		return cfg->timeout_s[proto == IPPROTO_ICMP ? TIMEOUT_ICMP : TIMEOUT_UDP];
	case SESSION_OPENING:
		return cfg->timeout_s[TIMEOUT_TCP_OPENING];
	case SESSION_ESTABLISHED:
	case SESSION_HALF_CLOSED:
		return cfg->timeout_s[TIMEOUT_TCP_ESTABLISHED];
	case SESSION_CLOSING:
		return cfg->timeout_s[TIMEOUT_TCP_CLOSING];
	case SESSION_RESET:
	case NUM_SESSION_STATE:
		break;
	}
	return cfg->timeout_s[TIMEOUT_TCP_RESET];
}

/* Seconds since the last packet that keeps the session alive. */
static __always_inline __u32 session_idle(__u8 proto, __u32 out_life, __u32 in_life, __u32 now)
{
	__u32 out_idle = life_idle(out_life, now);
	__u32 in_idle = life_idle(in_life, now);

	if (!life_counts_inbound(proto))
		return out_idle;
	return out_idle < in_idle ? out_idle : in_idle;
}

/* Seconds left; 0 when it has expired. */
static __always_inline __u32 session_expires(const struct config *cfg, __u8 proto, __u32 out_life, __u32 in_life,
					     __u32 now)
{
	__u32 timeout = session_timeout(cfg, proto, session_state(proto, out_life, in_life));
	__u32 idle = session_idle(proto, out_life, in_life, now);

	return idle < timeout ? timeout - idle : 0;
}

#endif
