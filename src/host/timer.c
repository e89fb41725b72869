/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time-outs. */
#include "timer.h"

#include <netinet/in.h>
#include <string.h>

/* Nobody waits longer for the answer to a SYN, or for a fragment; and what waits takes room. */
#define MAX_WAIT_S 120

const struct timer timer_table[NUM_TIMEOUT] = {
	[TIMEOUT_UDP] = { "udp", 300, 120, MAX_TIMEOUT_S, "RFC 4787 REQ-5" },
	[TIMEOUT_TCP_OPENING] = { "tcp-opening", 240, 240, MAX_TIMEOUT_S, "RFC 5382 REQ-5" },
	[TIMEOUT_TCP_ESTABLISHED] = { "tcp-established", 7440, 7440, MAX_TIMEOUT_S, "RFC 5382 REQ-5" },
	[TIMEOUT_TCP_CLOSING] = { "tcp-closing", 240, 240, MAX_TIMEOUT_S, "RFC 5382 REQ-5" },
	[TIMEOUT_TCP_RESET] = { "tcp-reset", 240, 240, MAX_TIMEOUT_S, "RFC 7857 2.2" },
	[TIMEOUT_ICMP] = { "icmp", 60, 60, MAX_TIMEOUT_S, "RFC 5508 REQ-2" },
	[TIMEOUT_UNSOLICITED_SYN] = { "unsolicited-syn", 6, 6, MAX_WAIT_S, "RFC 5382 REQ-4" },
	[TIMEOUT_FRAGMENT] = { "fragment", 30, 0, MAX_WAIT_S, NULL },
};

enum timeout timer_find(const char *name)
{
	enum timeout timeout = 0;

	while (timeout < NUM_TIMEOUT && strcmp(timer_table[timeout].name, name) != 0)
		timeout++;
	return timeout;
}

__u32 timer_port_floor(__u8 proto, __u16 port)
{
	if (proto == IPPROTO_UDP)
		return port < 1024 ? 0 : timer_table[TIMEOUT_UDP].floor_s;
	return timer_table[TIMEOUT_TCP_ESTABLISHED].floor_s;
}
