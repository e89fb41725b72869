/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon: serves one external interface, and takes away what was left at it. */
#ifndef BAUTA_DAEMON_H
#define BAUTA_DAEMON_H

#include <stdbool.h>

#include "contract.h"
#include "prefixes.h"
#include "ranges.h"

#define DEFAULT_SESSIONS 65536

/* What `bauta run` was told, checked for form already. */
struct run_options {
	const char *iface;
	const struct ranges *ports;     /* NULL: no -p, the default ranges, which follow the sysctls */
	struct external_items external; /* none: the first address of the interface */
	__u32 num_internal;
	struct prefix internal[MAX_INTERNAL];
	__u32 num_sessions; /* 0: not given: DEFAULT_SESSIONS, or what an adopted table holds */
	__u32 clock_factor; /* 0: not given: 1, or that of an adopted table */
	__u32 rest_s;
	__u32 max_ports; /* quotas of each internal host; 0: none */
	__u32 max_sessions;
	__u32 max_new_per_s;
	__u8 on_full; /* enum on_full */
	__u8 icmp;    /* enum icmp_policy */
	bool spill;
	bool borrow;
	bool keep; /* leave the data plane attached at exit */
};

/* Serves in the foreground until SIGINT or SIGTERM. Returns the exit status: 0, or 1 after one line on stderr. */
int daemon_run(const struct run_options *options);

/* Ends the daemon of an instance, if one runs, and removes all that is left of it: filters, pins, sockets. The only
 * instance of this network namespace if `iface` is NULL. Returns the exit status: 0, also when nothing was there for
 * a named interface, or 1 after one line on stderr.
 */
int daemon_down(const char *iface);

#endif
