/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta explain: who owns a tuple; and if nobody does, what would become of a new flow on it. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "command.h"
#include "endpoint.h"
#include "instance.h"
#include "ranges.h"
#include "session.h"
#include "sheet.h"
#include "sockets.h"
#include "table.h"
#include "verb.h"
#include "words.h"

struct words {
	struct common common;
	int num;
	const char *word[3];
};

/* The question, and the answer as it is put together. */
struct explain {
	__u8 proto;
	struct endpoint external;
	struct endpoint remote;
	char tuple[64]; /* "tcp 192.0.2.1:50000 <-> 192.0.2.8:60000" */
	const struct config *config;
	json_t *answer;
	char text[512];
};

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (words->num == 3)
		die_usage("explain: \"%s\" is one word too many; PROTO EXTERNAL REMOTE is the tuple", arg);
	words->word[words->num++] = arg;
	return 0;
}

static const struct command command = {
	.verb = "explain",
	.words = "PROTO EXTERNAL REMOTE",
	.doc = "Say who owns the packets between an external endpoint of this machine and a remote one.\v"
	       "PROTO is tcp, udp or icmp; endpoints are ADDRESS:PORT, for icmp ADDRESS:IDENTIFIER and ADDRESS.",
	.takes = TAKES_IFACE | TAKES_JSON,
	.take = take,
};

/* ---- the question ---------------------------------------------------------------------------------------------- */

static void parse_words(const struct words *words, struct explain *explain)
{
	char external[ENDPOINT_TEXT], remote[ENDPOINT_TEXT];
	struct fault fault;
	bool icmp;

	if (words->num < 3)
		die_usage("explain: PROTO EXTERNAL REMOTE is needed, such as tcp 192.0.2.1:50000 192.0.2.8:80");
	explain->proto = proto_parse(words->word[0]);
	if (!explain->proto)
		die_usage("explain: \"%s\" is not a protocol; tcp, udp and icmp are", words->word[0]);
	icmp = explain->proto == IPPROTO_ICMP;
	if (endpoint_parse(words->word[1], "external endpoint", &explain->external, &fault))
		die_words(&fault);
	/* the remote end of a query has no identifier of its own */
	if (icmp && !strchr(words->word[2], ':')) {
		if (address_parse(words->word[2], "remote address", &explain->remote.addr, &fault))
			die_words(&fault);
	} else if (endpoint_parse(words->word[2], "remote endpoint", &explain->remote, &fault)) {
		die_words(&fault);
	}
	if (icmp)
		explain->remote.port = 0;
	snprintf(explain->tuple, sizeof(explain->tuple), "%s %s <-> %s", words->word[0],
		 endpoint_format(explain->external, external), endpoint_format(explain->remote, remote));
	explain->answer = json_pack("{s:s, s:s, s:s}", "proto", words->word[0], "external", external, "remote", remote);
}

/* ---- the answer ------------------------------------------------------------------------------------------------ */

static void put(struct explain *explain, const char *key, json_t *value)
{
	json_object_set_new(explain->answer, key, value);
}

/* Adds to the sentence. */
static void __attribute__((format(printf, 2, 3))) say(struct explain *explain, const char *format, ...)
{
	size_t len = strlen(explain->text);
	va_list args;

	va_start(args, format);
	vsnprintf(explain->text + len, sizeof(explain->text) - len, format, args);
	va_end(args);
}

static void answer_session(struct explain *explain, const struct row *row)
{
	__u32 left = session_expires(explain->config, row->pair.proto, row->out_life, row->in_life, platform_now());
	const char *state = state_name[row_state(row)];
	char internal[ENDPOINT_TEXT];

	endpoint_format(row->pair.internal, internal);
	put(explain, "owner", json_string("session"));
	put(explain, "internal", json_string(internal));
	put(explain, "state", json_string(state));
	put(explain, "expires_s", json_integer(left));
	say(explain, "%s belongs to the session of %s%s, %s, %u s left", explain->tuple,
	    row->pair.flags & ENTRY_HOST ? "the host itself, " : "", internal, state, left);
}

static void answer_socket(struct explain *explain, const struct host_socket *socket)
{
	const char *state = socket_state_name(socket);
	struct process process;

	put(explain, "owner", json_string("process"));
	put(explain, "state", json_string(state));
	if (process_find(socket->inode, &process)) {
		put(explain, "pid", json_null());
		put(explain, "process", json_null());
		say(explain, "%s belongs to a socket of the host (%s) that no process has open any more",
		    explain->tuple, state);
		return;
	}
	put(explain, "pid", json_integer(process.pid));
	put(explain, "process", json_string(process.comm));
	say(explain, "%s belongs to process %d (%s), whose socket is %s", explain->tuple, process.pid, process.comm,
	    state);
}

/* What a new flow would meet. */
static void answer_nobody(struct explain *explain)
{
	const struct config *config = explain->config;
	__u16 port = be16_to_cpu(explain->external.port);
	char address[ENDPOINT_TEXT], internal[ENDPOINT_TEXT];
	struct ranges ranges;
	bool in_ranges;
	struct row row;

	ranges_from_config(config, &ranges);
	in_ranges = explain->proto == IPPROTO_ICMP || ranges_contain(&ranges, port);
	put(explain, "owner", json_string("nobody"));
	put(explain, "in_ranges", json_boolean(in_ranges));
	say(explain, "%s belongs to nobody: ", explain->tuple);
	if (!addr_is_own(config, explain->external.addr)) {
		say(explain, "%s is not an address of the external interface",
		    address_format(explain->external.addr, address));
		return;
	}
	if (!addr_is_external(config, explain->external.addr)) {
		say(explain, "the host may use it; internal hosts are seen as %s",
		    config->num_external ? address_format(config->external[0].addr, address)
					 : "nothing, for want of an address");
		return;
	}
	if (!in_ranges) {
		say(explain, "the host may use it; port %u is not in the ranges of internal hosts", port);
		return;
	}
	if (table_find_inbound(explain->proto, explain->external, (struct endpoint){}, &row)) {
		endpoint_format(row.pair.internal, internal);
		put(explain, "mapping", json_string(internal));
		say(explain,
		    "the host may use it, and %s, which has the port mapped; others only once all ports are taken",
		    internal);
		return;
	}
	say(explain, "the next one that asks for it gets it, the host or an internal host");
}

static void answer(struct explain *explain, const struct sockets *sockets)
{
	const struct host_socket *socket;
	struct row row;

	if (table_find_inbound(explain->proto, explain->external, explain->remote, &row)) {
		answer_session(explain, &row);
		return;
	}
	socket = addr_is_own(explain->config, explain->external.addr)
			 ? sockets_find(sockets, explain->proto, explain->external, explain->remote)
			 : NULL;
	if (socket)
		answer_socket(explain, socket);
	else
		answer_nobody(explain);
}

int verb_explain(int argc, char **argv)
{
	struct explain explain = {};
	struct sockets sockets = {};
	struct instance instance;
	struct words words = {};
	struct table table;
	struct fault fault;

	command_parse(&command, argc, argv, &words);
	parse_words(&words, &explain);
	if (instance_find(words.common.iface, &instance, &fault) || table_open(&instance, TABLE_READ, &table, &fault) ||
	    sockets_read(&sockets, &fault))
		die(&fault);
	explain.config = &table.config;
	answer(&explain, &sockets);
	put(&explain, "text", json_string(explain.text));
	if (words.common.json)
		record_print(json_incref(explain.answer), true);
	else
		puts(explain.text);
	json_decref(explain.answer);
	sockets_free(&sockets);
	table_close(&table);
	return STATUS_DONE;
}
