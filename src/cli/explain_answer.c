/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting an answer of `bauta explain` together: its values, and its sentence. */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explain.h"
#include "headroom.h"

void explain_put(struct explain *explain, const char *key, json_t *value)
{
	json_object_set_new(explain->answer, key, value);
}

void explain_say(struct explain *explain, const char *format, ...)
{
	size_t len = strlen(explain->text);
	va_list args;

	va_start(args, format);
	vsnprintf(explain->text + len, sizeof(explain->text) - len, format, args);
	va_end(args);
}

void explain_socket(struct explain *explain, json_t *record, const struct host_socket *socket)
{
	const char *state = socket_state_name(socket);
	struct process process;

	json_object_set_new(record, "state", json_string(state));
	if (process_find(socket->inode, &process)) {
		json_object_set_new(record, "pid", json_null());
		json_object_set_new(record, "process", json_null());
		explain_say(explain, "a socket of the host (%s) that no process has open any more", state);
		return;
	}
	json_object_set_new(record, "pid", json_integer(process.pid));
	json_object_set_new(record, "process", json_string(process.comm));
	explain_say(explain, "process %d (%s), whose socket is %s", process.pid, process.comm, state);
}

void explain_headroom(struct explain *explain, __be32 external)
{
	const char *ports = explain->proto == IPPROTO_ICMP ? "identifiers" : "ports";
	char address[ENDPOINT_TEXT];
	struct headroom headroom;

	headroom_count(explain->sockets, explain->proto, external, explain->remote, &headroom);
	address_format(external, address);
	explain_put(explain, "headroom",
		    json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "external", address, "ports",
			      (json_int_t)headroom.ports, "sessions", (json_int_t)headroom.held, "host",
			      (json_int_t)headroom.host, "resting", (json_int_t)headroom.resting, "free",
			      (json_int_t)headroom.free, "unmapped", (json_int_t)headroom.unmapped));
	snprintf(explain->left, sizeof(explain->left),
		 "toward %s %u of the %u %s of %s are left, %u of them without a mapping; %u are held by sessions, %u "
		 "by the host's sockets, %u rest",
		 explain->remote_text, headroom.free, headroom.ports, ports, address, headroom.unmapped, headroom.held,
		 headroom.host, headroom.resting);
}
