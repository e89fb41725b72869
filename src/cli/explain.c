/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta explain: who owns a tuple, what would become of a new flow, and why flows have failed. */
#include "explain.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "failures.h"
#include "instance.h"
#include "sheet.h"
#include "verb.h"
#include "words.h"

#define KEY_LAST 256
#define MAX_WORDS 16
#define NUM_TUPLE_WORDS 3
#define DEFAULT_LIMIT 20

struct words {
	struct common common;
	bool last;
	const char *limit; /* -n */
	int num;
	const char *word[MAX_WORDS];
};

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;

	switch (key) {
	case KEY_LAST:
		words->last = true;
		return 0;
	case 'n':
		words->limit = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (words->num == MAX_WORDS)
			die_usage("explain: \"%s\" is one word too many", arg);
		words->word[words->num++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options_of_explain[] = {
	{ "last", KEY_LAST, NULL, 0, "The newest failures instead, those that match all filters", 0 },
	{ "number", 'n', "N", 0, "With --last: so many at most (20); 0: all that are kept", 0 },
	{},
};

static const struct command command = {
	.verb = "explain",
	.words = "PROTO EXTERNAL REMOTE\nPROTO INTERNAL REMOTE\n--last [FILTER...]",
	.doc = "Say who owns the packets between an external endpoint of this machine and a remote one; what a flow of "
	       "an internal host has, or would get if it came now, or why it would not; and with --last why flows "
	       "have failed.\v"
	       "PROTO is tcp, udp or icmp; endpoints are ADDRESS:PORT, for icmp ADDRESS:IDENTIFIER and ADDRESS. A "
	       "first endpoint whose address is one of the external interface is external, any other is internal. A "
	       "FILTER is proto=tcp, internal=ADDR[/LEN][:PORT], external=.., remote=.. or reason=no-port.",
	.takes = TAKES_IFACE | TAKES_JSON,
	.options = options_of_explain,
	.take = take,
};

/* ---- the question ---------------------------------------------------------------------------------------------- */

static void parse_tuple(const struct words *words, struct explain *explain)
{
	struct fault fault;
	bool icmp;

	if (words->limit)
		die_usage("explain: -n %s: only with --last", words->limit);
	if (words->num < NUM_TUPLE_WORDS)
		die_usage("explain: PROTO EXTERNAL REMOTE or PROTO INTERNAL REMOTE is needed, such as tcp "
			  "192.0.2.1:50000 192.0.2.8:80; or --last");
	if (words->num > NUM_TUPLE_WORDS)
		die_usage("explain: \"%s\" is one word too many; PROTO EXTERNAL REMOTE is the tuple",
			  words->word[NUM_TUPLE_WORDS]);
	explain->proto_word = words->word[0];
	explain->proto = proto_parse(explain->proto_word);
	if (!explain->proto)
		die_usage("explain: \"%s\" is not a protocol; tcp, udp and icmp are", explain->proto_word);
	icmp = explain->proto == IPPROTO_ICMP;
	if (endpoint_parse(words->word[1], "endpoint", &explain->first, &fault))
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
	endpoint_format(explain->first, explain->first_text);
	endpoint_format(explain->remote, explain->remote_text);
}

static unsigned int parse_limit(const char *text)
{
	unsigned long number;
	char *end;

	if (!text)
		return DEFAULT_LIMIT;
	number = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || number > NUM_FAILURE)
		die_usage("explain: -n %s: a number from 1 to %d, or 0 for all, would be accepted", text, NUM_FAILURE);
	return number;
}

static void parse_filter(const struct words *words, struct filter *filter)
{
	struct fault fault;

	for (int i = 0; i < words->num; i++)
		if (filter_add(filter, words->word[i], FILTER_FAILURE, &fault))
			die_words(&fault);
}

/* ---- the answer ------------------------------------------------------------------------------------------------ */

static void answer_tuple(struct explain *explain, bool json)
{
	bool external = addr_is_own(platform_config(), explain->first.addr);

	explain->answer = json_pack("{s:s, s:s, s:s, s:s}", "proto", explain->proto_word, "side",
				    external ? "external" : "internal", external ? "external" : "internal",
				    explain->first_text, "remote", explain->remote_text);
	if (external)
		explain_tuple(explain);
	else
		explain_flow(explain);
	explain_put(explain, "text", json_string(explain->text));
	if (json)
		record_print(json_incref(explain->answer), true);
	else
		printf("%s\n%s%s", explain->text, explain->left, *explain->left ? "\n" : "");
	json_decref(explain->answer);
}

int verb_explain(int argc, char **argv)
{
	struct explain explain = {};
	struct sockets sockets = {};
	struct filter filter = {};
	struct words words = {};
	struct instance instance;
	unsigned int limit;
	struct table table;
	struct fault fault;
	int error;

	command_parse(&command, argc, argv, &words);
	limit = parse_limit(words.limit);
	if (words.last)
		parse_filter(&words, &filter);
	else
		parse_tuple(&words, &explain);
	if (instance_find(words.common.iface, &instance, &fault) || table_open(&instance, TABLE_READ, &table, &fault))
		die(&fault);
	if (words.last) {
		error = explain_last(&table, &filter, limit, words.common.json, &fault);
	} else {
		error = sockets_read(&sockets, &fault);
		explain.table = &table;
		explain.sockets = &sockets;
		if (!error)
			answer_tuple(&explain, words.common.json);
	}
	if (error)
		die(&fault);
	sockets_free(&sockets);
	table_close(&table);
	return STATUS_DONE;
}
