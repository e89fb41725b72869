/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon says: one line each on stderr, with a priority where the journal reads it. */
#ifndef BAUTA_LOG_H
#define BAUTA_LOG_H

/* Looks whether stderr is the journal of systemd. Lines written before this have no priority. */
void log_open(void);

/* The line is "bauta: " and the text; a newline is added. Each is one write. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
