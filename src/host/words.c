/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words that the interfaces use for protocols, states, verdicts, policies and time-outs, and back. */
#include "words.h"

#include <netinet/in.h>
#include <string.h>

const char *const verdict_name[NUM_VERDICT] = {
	[VERDICT_TRANSLATED] = "translated", [VERDICT_PASSED] = "passed", [VERDICT_DROPPED] = "dropped",
	[VERDICT_REFUSED] = "refused",       [VERDICT_DENIED] = "denied",
};

const char *const state_name[NUM_SESSION_STATE] = {
	[SESSION_ACTIVE] = "active",           [SESSION_OPENING] = "opening", [SESSION_ESTABLISHED] = "established",
	[SESSION_HALF_CLOSED] = "half-closed", [SESSION_CLOSING] = "closing", [SESSION_RESET] = "reset",
};

const char *const timeout_name[NUM_TIMEOUT] = {
	[TIMEOUT_UDP] = "udp",
	[TIMEOUT_TCP_OPENING] = "tcp_opening",
	[TIMEOUT_TCP_ESTABLISHED] = "tcp_established",
	[TIMEOUT_TCP_CLOSING] = "tcp_closing",
	[TIMEOUT_TCP_RESET] = "tcp_reset",
	[TIMEOUT_ICMP] = "icmp",
};

const char *const on_full_name[NUM_ON_FULL] = {
	[ON_FULL_SHARE] = "share",
	[ON_FULL_REFUSE] = "refuse",
};

const char *const icmp_name[NUM_ICMP_POLICY] = {
	[ICMP_HOST_UNREACHABLE] = "host-unreachable",
	[ICMP_ADMIN_PROHIBITED] = "admin-prohibited",
	[ICMP_NONE] = "none",
};

static const struct {
	const char *name;
	__u8 proto;
} protocol[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "icmp", IPPROTO_ICMP },
};

#define NUM_PROTOCOL (sizeof(protocol) / sizeof(protocol[0]))

const char *proto_name(__u8 proto)
{
	for (size_t i = 0; i < NUM_PROTOCOL; i++)
		if (protocol[i].proto == proto)
			return protocol[i].name;
	return NULL;
}

__u8 proto_parse(const char *word)
{
	for (size_t i = 0; i < NUM_PROTOCOL; i++)
		if (strcmp(protocol[i].name, word) == 0)
			return protocol[i].proto;
	return 0;
}
