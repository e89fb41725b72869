/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta explain --last: the newest failures, and what each reason means. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "explain.h"
#include "failures.h"
#include "reason_text.h"
#include "sheet.h"
#include "sockets.h"
#include "timestamp.h"
#include "words.h"

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull
#define MS_PER_S 1000

static const struct column columns[] = {
	{ "age_s", -8 },    { "reason", 15 }, { "proto", 5 },  { "internal", 21 },
	{ "external", 21 }, { "remote", 21 }, { "owner", 30 }, { "process", 0 },
};

/* Which process has a socket that was in the way, if it still is there: looked for as often as it pays. */
struct lookup {
	struct sockets sockets;
	bool read;
	__u64 inode; /* of the last one that was looked for */
	struct process process;
};

/* A failure in the words of the interfaces; "" or 0 for what is not known. */
struct line {
	const struct event *event;
	__u64 age_ns;
	char proto[12];
	char internal[ENDPOINT_TEXT];
	char external[ENDPOINT_TEXT];
	char remote[ENDPOINT_TEXT];
	char owner[ENDPOINT_TEXT];
	unsigned int pid;
	char comm[COMM_LEN + 1];
};

static void format_endpoint(struct endpoint endpoint, char text[ENDPOINT_TEXT])
{
	text[0] = '\0';
	if (endpoint.addr || endpoint.port)
		endpoint_format(endpoint, text);
}

/* Of a denied call its own process; of a failure because of a socket, the process that has it now. */
static void find_process(struct lookup *lookup, const struct event *event, struct endpoint owner,
			 struct endpoint remote, struct line *line)
{
	const struct host_socket *socket;
	struct fault ignored;

	line->pid = process_number(event->pid);
	memcpy(line->comm, event->comm, COMM_LEN);
	process_clean_comm(line->comm, sizeof(line->comm));
	if (event->pid || event->owner != OWNER_HOST)
		return;
	if (!lookup->read && sockets_read(&lookup->sockets, &ignored))
		memset(&lookup->sockets, 0, sizeof(lookup->sockets));
	lookup->read = true;
	socket = sockets_find(&lookup->sockets, event->proto, owner, remote);
	if (!socket || !socket->inode)
		return;
	if (socket->inode != lookup->inode && process_find(socket->inode, &lookup->process))
		lookup->process.pid = 0;
	lookup->inode = socket->inode;
	line->pid = lookup->process.pid;
	if (line->pid)
		snprintf(line->comm, sizeof(line->comm), "%s", lookup->process.comm);
}

static void make_line(struct lookup *lookup, const struct event *event, __u64 now_ns, struct line *line)
{
	struct endpoint owner = { .addr = event->owner_addr, .port = event->owner_port };
	struct pair pair = failure_pair(event);
	const char *proto = proto_name(event->proto);

	line->event = event;
	line->age_ns = now_ns > event->time_ns ? now_ns - event->time_ns : 0;
	if (proto)
		snprintf(line->proto, sizeof(line->proto), "%s", proto);
	else
		snprintf(line->proto, sizeof(line->proto), "%u", event->proto);
	format_endpoint(pair.internal, line->internal);
	format_endpoint(pair.external, line->external);
	format_endpoint(pair.remote, line->remote);
	line->owner[0] = '\0';
	if (event->owner != OWNER_NONE)
		endpoint_format(owner, line->owner);
	find_process(lookup, event, owner, pair.remote, line);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

/* ISO 8601 in UTC, to the millisecond. */
static json_t *time_json(__u64 age_ns)
{
	char text[TIMESTAMP_TEXT];

	return json_string(timestamp_format(age_ns, text));
}

static json_t *text_json(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static const char *owner_word(const struct event *event)
{
	switch ((enum owner_kind)event->owner) {
	case OWNER_SESSION:
		return "session";
	case OWNER_HOST:
		return "process";
	case OWNER_NONE:
		break;
	}
	return "nobody";
}

static json_t *line_json(const struct line *line)
{
	const struct event *event = line->event;
	__u64 age_ms = line->age_ns / NS_PER_MS;

	return json_pack("{s:o, s:f, s:s, s:s, s:s, s:o, s:o, s:o, s:b, s:s, s:o, s:o, s:o, s:s}", "time",
			 time_json(line->age_ns), "age_s", (double)age_ms / MS_PER_S, "reason",
			 reason_text[event->reason].name, "verdict", verdict_name[reason_verdict(event->reason)],
			 "proto", line->proto, "internal", text_json(line->internal), "external",
			 text_json(line->external), "remote", text_json(line->remote), "host", event->from_host,
			 "owner", owner_word(event), "owner_endpoint", text_json(line->owner), "pid",
			 line->pid ? json_integer(line->pid) : json_null(), "process", text_json(line->comm), "meaning",
			 reason_text[event->reason].meaning);
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

static void print_line(struct sheet *sheet, const struct line *line)
{
	const struct event *event = line->event;
	char text[64];

	snprintf(text, sizeof(text), "%.1f", (double)line->age_ns / NS_PER_S);
	sheet_text(sheet, text);
	sheet_text(sheet, reason_text[event->reason].name);
	sheet_text(sheet, line->proto);
	sheet_text(sheet, line->internal);
	sheet_text(sheet, line->external);
	sheet_text(sheet, line->remote);
	text[0] = '\0';
	if (event->owner != OWNER_NONE)
		snprintf(text, sizeof(text), "%s %s", event->owner == OWNER_SESSION ? "session of" : "socket at",
			 line->owner);
	sheet_text(sheet, text);
	text[0] = '\0';
	if (line->pid)
		snprintf(text, sizeof(text), "%u (%s)", line->pid, line->comm);
	else
		snprintf(text, sizeof(text), "%s", line->comm);
	sheet_text(sheet, text);
}

static void print_meanings(const bool seen[NUM_REASON])
{
	bool first = true;

	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		if (!seen[reason])
			continue;
		printf("%s%s: %s\n", first ? "\n" : "", reason_text[reason].name, reason_text[reason].meaning);
		first = false;
	}
}

/* ---- both ------------------------------------------------------------------------------------------------------ */

static void print(const struct failures *failures, const struct filter *filter, unsigned int limit, bool json)
{
	__u64 now_ns = clock_read_mono_ns();
	bool seen[NUM_REASON] = {};
	struct lookup lookup = {};
	json_t *list = json_array();
	unsigned int num = 0;
	struct sheet sheet;

	if (!json)
		sheet_begin(&sheet, columns, sizeof(columns) / sizeof(columns[0]), false);
	for (size_t i = 0; i < failures->num && (!limit || num < limit); i++) {
		const struct event *event = &failures->event[i];
		struct pair pair = failure_pair(event);
		struct line line;

		if (!filter_match_failure(filter, &pair, event->reason))
			continue;
		num++;
		seen[event->reason] = true;
		make_line(&lookup, event, now_ns, &line);
		if (json)
			json_array_append_new(list, line_json(&line));
		else
			print_line(&sheet, &line);
	}
	sockets_free(&lookup.sockets);
	if (json) {
		record_print(list, true);
		return;
	}
	sheet_end(&sheet);
	print_meanings(seen);
	json_decref(list);
}

int explain_last(const struct table *table, const struct filter *filter, unsigned int limit, bool json,
		 struct fault *fault)
{
	struct failures failures;
	int error;

	if (!table->failure)
		return fault_set(fault, ENOENT,
				 "this instance keeps no failures: it was made by an older bauta; bauta show drops "
				 "counts them, and after bauta down and bauta run they are kept");
	if (table->area[AREA_FAILURES].num != NUM_FAILURE)
		return fault_set(fault, EPROTO, "the map failures was made by another version of bauta");
	error = failures_read(table->failure, &failures);
	if (error)
		return fault_set_errno(fault, -error, "cannot read the failures");
	print(&failures, filter, limit, json);
	failures_free(&failures);
	return 0;
}
