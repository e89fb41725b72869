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
 * RESET         the internal side has sent a RST                any but RST of that side             240 s, 7857 §2.2
 *               the remote has, and nothing followed            any packet of the internal side,     240 s, 7857 §2.2
 *                                                               later on; any but RST of its own
 *
 * The RST of the internal side is news of a connection that is gone: what the remote still sends, and the RSTs that answer it,
 * neither change the state nor prolong it (RFC 7857 §7.1). The RST of the remote may be forged, and the next packet tells.
 * Whether a FIN or RST is within the receiver's window is not known here: see docs/design.md.
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

/* Whether a RST still stands: one from outside does while the internal side has not been heard of in a later second. */
static __always_inline bool session_is_reset(__u32 out_life, __u32 in_life)
{
	return (out_life & LIFE_RST) || ((in_life & LIFE_RST) && life_idle(in_life, out_life >> LIFE_SEEN_SHIFT) == 0);
}

static __always_inline enum session_state session_state(__u8 proto, __u32 out_life, __u32 in_life)
{
	if (proto != IPPROTO_TCP)
		return SESSION_ACTIVE;
	if (session_is_reset(out_life, in_life))
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

/* The timeout for a port of remotes, if it has one of its own; else `otherwise`. */
SLOW_PATH __u32 session_port_timeout(const struct config *cfg, __u8 proto, __be16 port, __u32 otherwise)
{
	if (!cfg)
		return otherwise;
	for (__u32 i = 0; i < MAX_PORT_TIMEOUTS; i++) {
		if (i >= cfg->num_port_timeouts)
			break;
		if (cfg->port_timeout[i].proto == proto && cfg->port_timeout[i].port == port)
			return cfg->port_timeout[i].timeout_s;
	}
	return otherwise;
}

/* Of a session in use: RFC 4787 REQ-5a, REQ-5b, RFC 5382 REQ-5a. */
static __always_inline __u32 session_timeout_in_use(const struct config *cfg, __u8 proto, __be16 port,
						    enum timeout timeout)
{
	__u32 timeout_s = cfg->timeout_s[timeout];

	return cfg->num_port_timeouts ? session_port_timeout(cfg, proto, port, timeout_s) : timeout_s;
}

/* `port` is the remote's. */
static __always_inline __u32 session_timeout(const struct config *cfg, __u8 proto, __be16 port,
					     enum session_state state)
{
	switch (state) {
	case SESSION_ACTIVE:
		if (proto == IPPROTO_ICMP)
			return cfg->timeout_s[TIMEOUT_ICMP];
		return session_timeout_in_use(cfg, proto, port, TIMEOUT_UDP);
	case SESSION_OPENING:
		return cfg->timeout_s[TIMEOUT_TCP_OPENING];
	case SESSION_ESTABLISHED:
	case SESSION_HALF_CLOSED:
		return session_timeout_in_use(cfg, proto, port, TIMEOUT_TCP_ESTABLISHED);
	case SESSION_CLOSING:
		return cfg->timeout_s[TIMEOUT_TCP_CLOSING];
	case SESSION_RESET:
	case NUM_SESSION_STATE:
		break;
	}
	return cfg->timeout_s[TIMEOUT_TCP_RESET];
}

/* Seconds since the last packet that keeps the session alive. */
static __always_inline __u32 session_idle(const struct config *cfg, __u8 proto, __u32 out_life, __u32 in_life,
					  __u32 now)
{
	__u32 out_idle = life_idle(out_life, now);
	__u32 in_idle = life_idle(in_life, now);

	if (!life_counts_inbound(proto, out_life, cfg->inbound_refresh))
		return out_idle;
	return out_idle < in_idle ? out_idle : in_idle;
}

/* Seconds left; 0 when it has expired. `port` is the remote's. */
static __always_inline __u32 session_expires(const struct config *cfg, __u8 proto, __be16 port, __u32 out_life,
					     __u32 in_life, __u32 now)
{
	__u32 timeout = session_timeout(cfg, proto, port, session_state(proto, out_life, in_life));
	__u32 idle = session_idle(cfg, proto, out_life, in_life, now);

	return idle < timeout ? timeout - idle : 0;
}

/* Whether a session may have expired, as far as one of its lives tells: the other one, of which packets count, may be younger.
 * False for the inbound one says that packets still come, whether they count or not.
 */
static __always_inline bool session_may_expire(const struct config *cfg, __u8 proto, __be16 port, __u32 life, __u32 now)
{
	__u32 idle = life_idle(life, now);

	if (life_phase(life) != PHASE_LIVE)
		return true;
	if (proto != IPPROTO_TCP)
		return idle >= session_timeout(cfg, proto, port, SESSION_ACTIVE);
	return idle >= cfg->timeout_s[TIMEOUT_TCP_OPENING] || idle >= cfg->timeout_s[TIMEOUT_TCP_CLOSING] ||
	       idle >= cfg->timeout_s[TIMEOUT_TCP_RESET] ||
	       idle >= session_timeout(cfg, proto, port, SESSION_ESTABLISHED);
}

#endif
