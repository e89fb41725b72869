/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading events from the ring buffer and telling them.
 *
 * An event is of an outbound packet, or of a call that would have led to one: its source is the internal endpoint, its
 * destination the remote. Who holds the tuple in its way is a session, known by its internal endpoint, or a socket of the
 * host, whose process is looked for.
 */
#include "event_log.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "bpf/tc.skel.h"
#include "clock.h"
#include "contract.h"
#include "endpoint.h"
#include "event_socket.h"
#include "log.h"
#include "reason_text.h"
#include "sockets.h"
#include "suppressed.h"
#include "timestamp.h"
#include "words.h"

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

/* Looking for a process goes through all of /proc. */
#define SEARCH_PAUSE_NS (200 * NS_PER_MS)

struct event_log {
	struct ring_buffer *ring;
	struct event_socket *socket;
	struct limit *limits;
	__u64 searched_ns; /* when a process was looked for last */
};

/* An event, in the words of the interfaces. "": none was given, or it is nobody's in particular. */
struct report {
	const struct event *event;
	const struct reason_text *reason;
	char time[TIMESTAMP_TEXT];
	char proto[12];
	char internal[ENDPOINT_TEXT];
	char external[ENDPOINT_TEXT];
	char remote[ENDPOINT_TEXT];
	char owner[ENDPOINT_TEXT]; /* whose tuple it is */
	struct process process;    /* in the way, or whose call was denied; pid 0: not known */
};

/* The process whose socket would receive what the remote sends to `local`. */
static void find_process(struct event_log *log, __u8 proto, struct endpoint local, struct endpoint remote,
			 struct process *ret_process)
{
	__u64 now_ns = clock_read_mono_ns();
	const struct host_socket *socket;
	struct sockets sockets;
	struct fault fault;

	if (log->searched_ns && now_ns - log->searched_ns < SEARCH_PAUSE_NS)
		return;
	if (sockets_read(&sockets, &fault))
		return;
	socket = sockets_find(&sockets, proto, local, remote);
	if (socket && socket->inode)
		process_find(socket->inode, ret_process);
	sockets_free(&sockets);
	log->searched_ns = clock_read_mono_ns();
}

static bool is_denied(const struct event *event)
{
	return reason_verdict(event->reason) == VERDICT_DENIED;
}

static void find_owner(struct event_log *log, const struct event *event, struct endpoint remote, struct report *report)
{
	struct endpoint owner = { .addr = event->owner_addr, .port = event->owner_port };

	if (event->owner != OWNER_NONE)
		endpoint_format(owner, report->owner);
	if (is_denied(event)) {
		_Static_assert(sizeof(report->process.comm) == COMM_LEN, "a name is as long as the kernel's");
		report->process.pid = process_number(event->pid);
		memcpy(report->process.comm, event->comm, COMM_LEN);
		process_clean_comm(report->process.comm, COMM_LEN);
	} else if (event->owner == OWNER_HOST) {
		find_process(log, event->proto, owner, remote, &report->process);
	}
}

static void make_report(struct event_log *log, const struct event *event, struct report *report)
{
	struct endpoint internal = { .addr = event->src, .port = event->sport };
	struct endpoint external = { .addr = event->external, .port = event->external_port };
	struct endpoint remote = { .addr = event->dst, .port = event->dport };
	const char *proto = proto_name(event->proto);

	memset(report, 0, sizeof(*report));
	report->event = event;
	report->reason = &reason_text[event->reason];
	timestamp_format(clock_read_mono_ns() - event->time_ns, report->time);
	if (proto)
		snprintf(report->proto, sizeof(report->proto), "%s", proto);
	else
		snprintf(report->proto, sizeof(report->proto), "%u", event->proto);
	endpoint_format(internal, report->internal);
	/* bind() knows of no remote */
	if (remote.addr || remote.port)
		endpoint_format(remote, report->remote);
	if (external.addr)
		endpoint_format(external, report->external);
	find_owner(log, event, remote, report);
}

/* "; in its way: the session of 192.168.0.5:50000", or "". */
static void format_owner(const struct report *report, char *text, size_t size)
{
	switch ((enum owner_kind)report->event->owner) {
	case OWNER_NONE:
		*text = '\0';
		return;
	case OWNER_SESSION:
		snprintf(text, size, "; in its way: the session of %s", report->owner);
		return;
	case OWNER_HOST:
		break;
	}
	if (report->process.pid && !is_denied(report->event))
		snprintf(text, size, "; in its way: this machine's %s (pid %d) at %s", report->process.comm,
			 report->process.pid, report->owner);
	else
		snprintf(text, size, "; in its way: a socket of this machine at %s", report->owner);
}

/* " by nc (pid 1234)", or " by nc", of a denied call; else "". */
static void format_caller(const struct report *report, char *text, size_t size)
{
	*text = '\0';
	if (!is_denied(report->event))
		return;
	if (report->process.pid)
		snprintf(text, size, " by %s (pid %d)", report->process.comm, report->process.pid);
	else
		snprintf(text, size, " by %s", report->process.comm);
}

static void tell_operator(const struct report *report)
{
	char owner[128], caller[64], suppressed[64] = "";

	format_owner(report, owner, sizeof(owner));
	format_caller(report, caller, sizeof(caller));
	if (report->event->suppressed)
		snprintf(suppressed, sizeof(suppressed), "; %u more like it were not reported",
			 report->event->suppressed);
	log_warn("%s: %s %s%s%s%s%s%s: %s%s%s", report->reason->name, report->proto, report->internal,
		 report->remote[0] ? " -> " : "", report->remote, report->external[0] ? " as " : "", report->external,
		 caller, report->reason->meaning, owner, suppressed);
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *owner_kind_json(const struct report *report)
{
	switch ((enum owner_kind)report->event->owner) {
	case OWNER_NONE:
		break;
	case OWNER_SESSION:
		return json_string("session");
	case OWNER_HOST:
		return json_string("process");
	}
	return json_string("nobody");
}

static json_t *report_json(const struct report *report)
{
	json_t *object = json_object();

	json_object_set_new(object, "time", json_string(report->time));
	json_object_set_new(object, "reason", json_string(report->reason->name));
	json_object_set_new(object, "verdict", json_string(verdict_name[reason_verdict(report->event->reason)]));
	json_object_set_new(object, "proto", text_or_null(report->proto));
	json_object_set_new(object, "internal", text_or_null(report->internal));
	json_object_set_new(object, "external", text_or_null(report->external));
	json_object_set_new(object, "remote", text_or_null(report->remote));
	json_object_set_new(object, "host", json_boolean(report->event->from_host));
	json_object_set_new(object, "owner", owner_kind_json(report));
	json_object_set_new(object, "owner_endpoint", text_or_null(report->owner));
	if (report->process.pid || is_denied(report->event)) {
		json_object_set_new(object, "pid",
				    report->process.pid ? json_integer(report->process.pid) : json_null());
		json_object_set_new(object, "process", json_string(report->process.comm));
	}
	json_object_set_new(object, "suppressed", json_integer(report->event->suppressed));
	json_object_set_new(object, "text", json_string(report->reason->meaning));
	return object;
}

static void tell_clients(struct event_log *log, const struct report *report)
{
	json_t *object;
	char *line;

	if (!event_socket_num_clients(log->socket))
		return;
	object = report_json(report);
	line = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!line)
		return;
	event_socket_send(log->socket, line, strlen(line));
	event_socket_send(log->socket, "\n", 1);
	free(line);
}

static int take_event(void *context, void *data, size_t size)
{
	const struct event *event = data;
	struct event_log *log = context;
	struct report report;

	if (size < sizeof(*event) || event->reason >= NUM_REASON)
		return 0;
	make_report(log, event, &report);
	tell_operator(&report);
	tell_clients(log, &report);
	return 0;
}

/* A reason's events that nothing more comes to tell: an event without a tuple. */
static void tell_suppressed(struct event_log *log, enum reason reason, __u32 num)
{
	const struct event event = { .reason = reason, .suppressed = num };
	struct report report = { .event = &event, .reason = &reason_text[reason] };

	timestamp_format(0, report.time);
	log_warn("%s: %u more were not reported one by one (at most %d a second are): %s", report.reason->name, num,
		 LIMIT_EVENTS_PER_S, report.reason->meaning);
	tell_clients(log, &report);
}

static void take_suppressed(struct event_log *log, __u32 quiet_s)
{
	__u32 now_s = clock_read_mono_ns() / NS_PER_S;

	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		__u32 num = suppressed_take(&log->limits[reason], now_s, quiet_s);

		if (num)
			tell_suppressed(log, reason, num);
	}
}

int event_log_open(const struct dataplane *dataplane, struct event_socket *socket, struct event_log **ret_log,
		   struct fault *fault)
{
	struct event_log *log = calloc(1, sizeof(*log));
	int err;

	if (!log)
		return fault_set_errno(fault, ENOMEM, "cannot read events");
	log->socket = socket;
	err = suppressed_open(bpf_map__fd(dataplane->programs->maps.limits), &log->limits, fault);
	if (err)
		goto out;
	log->ring = ring_buffer__new(dataplane->events_fd, take_event, log, NULL);
	if (!log->ring)
		err = fault_set_errno(fault, errno, "cannot read events");
out:
	if (err)
		event_log_close(log);
	else
		*ret_log = log;
	return err;
}

void event_log_close(struct event_log *log)
{
	if (!log)
		return;
	if (log->ring) {
		event_log_read(log);
		take_suppressed(log, 0);
	}
	ring_buffer__free(log->ring);
	suppressed_close(log->limits);
	free(log);
}

int event_log_fd(const struct event_log *log)
{
	return ring_buffer__epoll_fd(log->ring);
}

void event_log_read(struct event_log *log)
{
	ring_buffer__consume(log->ring);
}

void event_log_poll(struct event_log *log)
{
	take_suppressed(log, SUPPRESSED_QUIET_S);
}
