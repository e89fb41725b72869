/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon: serves one external interface, and takes away what was left at it. */
#ifndef BAUTA_DAEMON_H
#define BAUTA_DAEMON_H

#include "settings.h"

/* Where the settings are from. */
struct daemon_source {
	const char *file; /* NULL: none; else SIGHUP reads it again */
	const struct settings *options;
};

/* Serves in the foreground until SIGINT or SIGTERM. Returns the exit status: 0, or 1 after one line on stderr. */
int daemon_run(const struct settings *settings, const struct daemon_source *source);

/* Ends the daemon of an instance, if one runs, and removes all that is left of it: filters, pins, sockets. The only
 * instance of this network namespace if `iface` is NULL. Returns the exit status: 0, also when nothing was there for
 * a named interface, or 1 after one line on stderr.
 */
int daemon_down(const char *iface);

#endif
