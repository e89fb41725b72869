/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket of events. */
#include "event_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "log.h"

#define MAX_CLIENTS 64
#define MAX_BACKLOG (256 * 1024) /* bytes that a client may be behind */

struct client {
	LIST_ENTRY(client) link;
	struct event_socket *socket;
	struct bufferevent *stream;
};

struct event_socket {
	LIST_HEAD(, client) clients;
	int num_clients;
	struct event_base *base;
	struct evconnlistener *listener;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static void drop_client(struct client *client)
{
	LIST_REMOVE(client, link);
	client->socket->num_clients--;
	bufferevent_free(client->stream);
	free(client);
}

/* Nothing a client says means anything to us. */
static void read_client(struct bufferevent *stream, void *context)
{
	struct evbuffer *input = bufferevent_get_input(stream);

	(void)context;
	evbuffer_drain(input, evbuffer_get_length(input));
}

static void lose_client(struct bufferevent *stream, short what, void *context)
{
	(void)stream;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		drop_client(context);
}

static void accept_client(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len,
			  void *context)
{
	struct event_socket *socket = context;
	struct client *client;

	(void)listener;
	(void)address;
	(void)len;
	client = socket->num_clients < MAX_CLIENTS ? calloc(1, sizeof(*client)) : NULL;
	if (client)
		client->stream = bufferevent_socket_new(socket->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!client || !client->stream) {
		log_warn("cannot take one more client that watches: %d are connected", socket->num_clients);
		free(client);
		close(fd);
		return;
	}
	client->socket = socket;
	LIST_INSERT_HEAD(&socket->clients, client, link);
	socket->num_clients++;
	bufferevent_setcb(client->stream, read_client, NULL, lose_client, client);
	bufferevent_enable(client->stream, EV_READ | EV_WRITE);
}

int event_socket_open(struct event_base *base, const char *path, struct event_socket **ret_socket, struct fault *fault)
{
	const unsigned int flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct event_socket *socket;
	mode_t mask;
	int err;

	if (strlen(path) >= sizeof(address.sun_path))
		return fault_set_errno(fault, ENAMETOOLONG, "cannot listen on %s", path);
	strcpy(address.sun_path, path);
	socket = calloc(1, sizeof(*socket));
	if (!socket)
		return fault_set_errno(fault, ENOMEM, "cannot listen on %s", path);
	LIST_INIT(&socket->clients);
	socket->base = base;
	strcpy(socket->path, path);
	unlink(path);
	mask = umask(0177);
	socket->listener = evconnlistener_new_bind(base, accept_client, socket, flags, -1, (struct sockaddr *)&address,
						   sizeof(address));
	err = errno;
	umask(mask);
	if (!socket->listener) {
		free(socket);
		return fault_set_errno(fault, err, "cannot listen on %s", path);
	}
	*ret_socket = socket;
	return 0;
}

void event_socket_close(struct event_socket *socket)
{
	struct client *client, *next;

	if (!socket)
		return;
	for (client = LIST_FIRST(&socket->clients); client; client = next) {
		next = LIST_NEXT(client, link);
		drop_client(client);
	}
	evconnlistener_free(socket->listener);
	unlink(socket->path);
	free(socket);
}

void event_socket_send(struct event_socket *socket, const char *line, size_t len)
{
	struct client *client, *next;

	for (client = LIST_FIRST(&socket->clients); client; client = next) {
		next = LIST_NEXT(client, link);
		if (evbuffer_get_length(bufferevent_get_output(client->stream)) + len > MAX_BACKLOG) {
			log_warn("a client that watches does not read, and is dropped");
			drop_client(client);
		} else {
			bufferevent_write(client->stream, line, len);
		}
	}
}

int event_socket_num_clients(const struct event_socket *socket)
{
	return socket->num_clients;
}
