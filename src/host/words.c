/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words that the interfaces use for protocols, states, verdicts, policies and time-outs, and back. */
#include "words.h"

#include <netinet/in.h>
#include <string.h>

const char *const verdict_name[NUM_VERDICT] = {
	[VERDICT_TRANSLATED] = "translated", [VERDICT_PASSED] = "passed", [VERDICT_DROPPED] = "dropped",
	[VERDICT_REFUSED] = "refused",       [VERDICT_DENIED] = "denied", [VERDICT_HELD] = "held",
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
	[TIMEOUT_UNSOLICITED_SYN] = "unsolicited_syn",
	[TIMEOUT_FRAGMENT] = "fragment",
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

const char *const mapping_mode_name[NUM_MAPPING_MODE] = {
	[MAPPING_ENDPOINT_INDEPENDENT] = "endpoint-independent",
	[MAPPING_ENDPOINT_DEPENDENT] = "endpoint-dependent",
};

const char *const filtering_name[NUM_FILTERING] = {
	[FILTERING_ENDPOINT_INDEPENDENT] = "endpoint-independent",
	[FILTERING_ADDRESS_DEPENDENT] = "address-dependent",
	[FILTERING_ADDRESS_AND_PORT_DEPENDENT] = "address-and-port-dependent",
};

const char *const mid_stream_name[NUM_MID_STREAM] = {
	[MID_STREAM_ADOPT] = "adopt",
	[MID_STREAM_RESET] = "reset",
};

const char *const unsolicited_name[NUM_UNSOLICITED] = {
	[UNSOLICITED_WAIT] = "wait",
	[UNSOLICITED_SILENT] = "silent",
};

const char *const expired_name[NUM_EXPIRED] = {
	[EXPIRED_SILENT] = "silent",
	[EXPIRED_RESET] = "reset",
};

const char *const interfaces_name[NUM_INTERFACES_WORD] = {
	[INTERFACES_AUTO] = "auto",
	[INTERFACES_OFF] = "off",
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
