/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket where `bauta watch` listens: every line that is sent goes to all who are connected. */
#ifndef BAUTA_EVENT_SOCKET_H
#define BAUTA_EVENT_SOCKET_H

#include <stddef.h>

#include "fault.h"

struct event_base;
struct event_socket;

/* Only root can connect. What stands at `path` from an earlier run is replaced. */
int event_socket_open(struct event_base *base, const char *path, struct event_socket **ret_socket, struct fault *fault);

/* Takes NULL. Removes the path. */
void event_socket_close(struct event_socket *socket);

/* Never waits: who does not read is dropped. `line` ends with its newline. */
void event_socket_send(struct event_socket *socket, const char *line, size_t len);

/* Whether anybody listens. */
int event_socket_num_clients(const struct event_socket *socket);

#endif
