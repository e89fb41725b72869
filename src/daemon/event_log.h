/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the hooks report: a line on stderr, and a JSON object for those who watch. */
#ifndef BAUTA_EVENT_LOG_H
#define BAUTA_EVENT_LOG_H

#include "dataplane.h"
#include "fault.h"

struct event_log;
struct event_socket;

/* `socket` and the data plane have to live as long as the log. */
int event_log_open(const struct dataplane *dataplane, struct event_socket *socket, struct event_log **ret_log,
		   struct fault *fault);

/* Tells what is left to be told. Takes NULL. */
void event_log_close(struct event_log *log);

/* Becomes readable when there is something to read. */
int event_log_fd(const struct event_log *log);

/* Reads and tells all that is there. */
void event_log_read(struct event_log *log);

/* To be called every other second: tells how many events were suppressed of reasons that nothing more is heard of. */
void event_log_poll(struct event_log *log);

#endif
