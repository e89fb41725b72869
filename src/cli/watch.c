/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta watch: prints events as they happen. The daemon sends them as JSON, one a line. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "command.h"
#include "instance.h"
#include "verb.h"

/* Longer than any event. */
#define MAX_LINE 4096

static const struct command command = {
	.verb = "watch",
	.doc = "Print events as they happen, one a line, until interrupted: packets refused for want of a port, of "
	       "room or of an address, or beyond a quota, clashes between the host and internal hosts, ports that had "
	       "to be shared, calls of local programs that were denied.",
	.takes = TAKES_IFACE | TAKES_JSON,
};

static int connect_to(const struct instance *instance, struct fault *fault)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fault_set_errno(fault, errno, "cannot make a socket");
	_Static_assert(sizeof(addr.sun_path) >= INSTANCE_PATH, "the path of the socket fits");
	strcpy(addr.sun_path, instance->socket);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		int error = errno;

		close(fd);
		if (error == ENOENT || error == ECONNREFUSED)
			return fault_set(
				fault, error,
				"no daemon serves %s at the moment, so there are no events; packets are "
				"translated all the same, and bauta show drops counts them; start one with bauta "
				"run -e %s",
				instance->iface, instance->iface);
		return fault_set_errno(fault, error, "cannot connect to %s", instance->socket);
	}
	return fd;
}

static const char *word(const json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "-";
}

/* Nothing for null. */
static void print_word(const json_t *event, const char *before, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	if (text)
		printf("%s%s", before, text);
}

static bool is_denied(const json_t *event)
{
	return strcmp(word(event, "verdict"), "denied") == 0;
}

/* " by nc (pid 1234)", or " by nc", of a call that was denied. */
static void print_caller(const json_t *event)
{
	const json_t *pid = json_object_get(event, "pid");

	if (!is_denied(event))
		return;
	printf(" by %s", word(event, "process"));
	if (json_is_integer(pid))
		printf(" (pid %" JSON_INTEGER_FORMAT ")", json_integer_value(pid));
}

/* ", held by the session of 192.168.0.5:1000", or nothing when no one in particular is in the way. */
static void print_owner(const json_t *event)
{
	const char *owner = word(event, "owner");
	const json_t *pid = is_denied(event) ? NULL : json_object_get(event, "pid");

	if (strcmp(owner, "session") == 0)
		printf(", held by the session of %s", word(event, "owner_endpoint"));
	else if (strcmp(owner, "process") == 0 && pid)
		printf(", held by process %" JSON_INTEGER_FORMAT " (%s)", json_integer_value(pid),
		       word(event, "process"));
	else if (strcmp(owner, "process") == 0)
		printf(", held by a socket of the host at %s", word(event, "owner_endpoint"));
}

/* "TIME no-port tcp 192.168.0.5:1000 to 192.0.2.8:80, held by ...", or "TIME no-port, 5 more like it since the last". */
static void print_text(const json_t *event)
{
	json_int_t suppressed = json_integer_value(json_object_get(event, "suppressed"));

	printf("%s %s", word(event, "time"), word(event, "reason"));
	print_word(event, " ", "proto");
	print_word(event, " ", "internal");
	print_word(event, " as ", "external");
	print_word(event, " to ", "remote");
	print_caller(event);
	print_owner(event);
	if (suppressed)
		printf(", %" JSON_INTEGER_FORMAT " more like it since the last", suppressed);
	printf("\n");
}

static void print_line(const char *line, size_t len, bool json)
{
	json_t *event;

	if (json) {
		printf("%.*s\n", (int)len, line);
		return;
	}
	event = json_loadb(line, len, 0, NULL);
	if (event)
		print_text(event);
	json_decref(event);
}

/* Prints the whole lines of the buffer and returns how much is left of the last one, moved to the front. */
static size_t print_lines(char *buffer, size_t len, bool json)
{
	char *line = buffer, *end;

	while ((end = memchr(line, '\n', buffer + len - line))) {
		print_line(line, end - line, json);
		line = end + 1;
	}
	len = buffer + len - line;
	memmove(buffer, line, len);
	return len == MAX_LINE ? 0 : len;
}

/* Until the daemon ends (true), or nobody reads the output any more (false). */
static bool follow(int fd, bool json)
{
	/* poll tells of a reader that went away even while there is nothing to print */
	struct pollfd poll_fd[] = { { .fd = fd, .events = POLLIN }, { .fd = STDOUT_FILENO } };
	char buffer[MAX_LINE];
	size_t len = 0;

	for (;;) {
		ssize_t got;

		if (poll(poll_fd, 2, -1) < 0 && errno != EINTR)
			return true;
		if (poll_fd[1].revents & POLLERR)
			return false;
		if (!poll_fd[0].revents)
			continue;
		got = read(fd, buffer + len, sizeof(buffer) - len);
		if (got <= 0)
			return true;
		len = print_lines(buffer, len + got, json);
		if (fflush(stdout))
			return false;
	}
}

int verb_watch(int argc, char **argv)
{
	struct common common = {};
	struct instance instance;
	struct fault fault;
	int fd;

	command_parse(&command, argc, argv, &common);
	if (instance_find(common.iface, &instance, &fault))
		die(&fault);
	fd = connect_to(&instance, &fault);
	if (fd < 0)
		die(&fault);
	if (follow(fd, common.json)) {
		fault_set(&fault, EPIPE, "the daemon of %s has ended, or did not find us reading fast enough",
			  instance.iface);
		die(&fault);
	}
	close(fd);
	return STATUS_DONE;
}
