/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show: which subject is meant, and with which filters. */
#include "show.h"

#include <string.h>

#include "command.h"
#include "verb.h"

#define MAX_WORDS 16

static const struct subject {
	const char *name;
	int (*show)(struct show *show, struct fault *fault);
	unsigned int filters; /* enum filter_field */
} subjects[] = {
	{ "status", show_status, 0 },
	{ "sessions", show_sessions, FILTER_SESSION },
	{ "mappings", show_mappings, FILTER_MAPPING },
	{ "ports", show_ports, FILTER_PORTS },
	{ "quotas", show_quotas, FILTER_INTERNAL },
	{ "drops", show_drops, 0 },
	{ "fast-path", show_fast_path, 0 },
	{ "config", show_config, 0 },
};

#define NUM_SUBJECT (sizeof(subjects) / sizeof(subjects[0]))

struct words {
	struct common common;
	int num;
	const char *word[MAX_WORDS];
};

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (words->num == MAX_WORDS)
		die_usage("show: \"%s\" is one word too many", arg);
	words->word[words->num++] = arg;
	return 0;
}

static const struct command command = {
	.verb = "show",
	.words = "[status|sessions|mappings|ports|quotas|drops|fast-path|config] [FILTER...]",
	.doc = "Print one thing about an instance.\v"
	       "A FILTER is proto=tcp, internal=ADDR[/LEN][:PORT], external=.., remote=.. or state=..; sessions take "
	       "all of them, mappings the first three, ports proto= and external=, quotas internal=.",
	.takes = TAKES_IFACE | TAKES_JSON,
	.take = take,
};

/* The subject is the first word, unless that is a filter. */
static const struct subject *find_subject(struct words *words)
{
	if (!words->num || strchr(words->word[0], '='))
		return &subjects[0];
	for (size_t i = 0; i < NUM_SUBJECT; i++)
		if (strcmp(subjects[i].name, words->word[0]) == 0) {
			words->word[0] = NULL;
			return &subjects[i];
		}
	die_usage("show: \"%s\" cannot be shown; status, sessions, mappings, ports, quotas, drops, fast-path and "
		  "config can",
		  words->word[0]);
}

int verb_show(int argc, char **argv)
{
	const struct subject *subject;
	struct words words = {};
	struct show show = {};
	struct fault fault;
	int error;

	command_parse(&command, argc, argv, &words);
	subject = find_subject(&words);
	for (int i = 0; i < words.num; i++)
		if (words.word[i] && filter_add(&show.filter, words.word[i], subject->filters, &fault))
			die_words(&fault);
	show.json = words.common.json;
	if (instance_find(words.common.iface, &show.instance, &fault) ||
	    table_open(&show.instance, TABLE_READ, &show.table, &fault))
		die(&fault);
	error = subject->show(&show, &fault);
	table_close(&show.table);
	if (error)
		die(&fault);
	return STATUS_DONE;
}
