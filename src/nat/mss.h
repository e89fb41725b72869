/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maximum segment size that a SYN offers (RFC 9293 §3.7.1): where it stands among the TCP options. */
#ifndef BAUTA_MSS_H
#define BAUTA_MSS_H

#include "platform.h"

#define TCP_OPTIONS_MAX 40 /* octets: the data offset has four bits */

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define TCP_OPTION_MSS_LEN 4

/* Longer than options can be, so that an index needs no more than a mask to be within. */
struct tcp_options {
	__u8 octet[64];
};

/* Offset of the two octets of the MSS from the begin of the options, which are `len` octets long. 0 when there is none, or when
 * it stands behind something that is no option.
 */
static __always_inline __u32 mss_find(const struct tcp_options *options, __u32 len)
{
	__u32 at = 0;

	if (len > TCP_OPTIONS_MAX)
		return 0;
	/* every turn but the last goes on by one octet or more */
	for (__u64 i = 0; i < TCP_OPTIONS_MAX; i++) {
		__u32 kind, option_len;

		if (at + 1 >= len)
			return 0;
		kind = options->octet[at & 63];
		if (kind == TCP_OPTION_END)
			return 0;
		option_len = kind == TCP_OPTION_NOP ? 1 : options->octet[(at + 1) & 63];
		if ((kind != TCP_OPTION_NOP && option_len < 2) || at + option_len > len)
			return 0;
		if (kind == TCP_OPTION_MSS && option_len == TCP_OPTION_MSS_LEN)
			return at + 2;
		/* it stays below 63 anyway; but so the verifier of 6.1 has one state for wherever we may be, and not one for
		 * each
		 */
		at += option_len;
		OPTIMIZER_HIDE_VAR(at);
		at &= 63;
	}
	return 0;
}

#endif
