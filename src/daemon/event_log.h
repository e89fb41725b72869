/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the hooks report: a line on stderr, and a JSON object for those who watch. */
#ifndef BAUTA_EVENT_LOG_H
#define BAUTA_EVENT_LOG_H

#include "fault.h"

struct event_log;
struct event_socket;

/* `events_fd` is the map; `socket` has to live as long as the log. */
int event_log_open(int events_fd, struct event_socket *socket, struct event_log **ret_log, struct fault *fault);

/* Takes NULL. */
void event_log_close(struct event_log *log);

/* Becomes readable when there is something to read. */
int event_log_fd(const struct event_log *log);

/* Reads and tells all that is there. */
void event_log_read(struct event_log *log);

#endif
