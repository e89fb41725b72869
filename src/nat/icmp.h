/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ICMP header and the types that the translator knows (RFC 792). <linux/icmp.h> would bring the C library's socket
 * headers into the BPF objects.
 */
#ifndef BAUTA_ICMP_H
#define BAUTA_ICMP_H

#include "platform.h"

enum icmp_type {
	ICMP_TYPE_ECHO_REPLY = 0,
	ICMP_TYPE_UNREACHABLE = 3,
	ICMP_TYPE_SOURCE_QUENCH = 4,
	ICMP_TYPE_ECHO = 8,
	ICMP_TYPE_TIME_EXCEEDED = 11,
	ICMP_TYPE_PARAMETER_PROBLEM = 12,
	ICMP_TYPE_TIMESTAMP = 13,
	ICMP_TYPE_TIMESTAMP_REPLY = 14,
};

enum icmp_code {
	ICMP_CODE_HOPS = 0, /* of time exceeded: in transit */
	ICMP_CODE_HOST_UNREACHABLE = 1,
	ICMP_CODE_PROTOCOL_UNREACHABLE = 2,
	ICMP_CODE_PORT_UNREACHABLE = 3,
	ICMP_CODE_TOO_BIG = 4,
	ICMP_CODE_ADMIN_PROHIBITED = 13,
};

struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__be16 id; /* of queries; part of the unused word, or the MTU's, of errors */
	__be16 sequence;
};

static __always_inline bool icmp_is_request(__u8 type)
{
	return type == ICMP_TYPE_ECHO || type == ICMP_TYPE_TIMESTAMP;
}

static __always_inline bool icmp_is_reply(__u8 type)
{
	return type == ICMP_TYPE_ECHO_REPLY || type == ICMP_TYPE_TIMESTAMP_REPLY;
}

static __always_inline bool icmp_is_error(__u8 type)
{
	return type == ICMP_TYPE_UNREACHABLE || type == ICMP_TYPE_TIME_EXCEEDED || type == ICMP_TYPE_PARAMETER_PROBLEM;
}

#endif
