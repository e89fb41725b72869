/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta run: the daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "daemon/daemon.h"
#include "endpoint.h"
#include "instance.h"
#include "ranges.h"
#include "verb.h"

enum {
	KEY_INTERNAL = 256,
	KEY_SESSIONS,
	KEY_KEEP,
	KEY_CLOCK_FACTOR,
};

/* 2^28: then the index of an entry needs all its bits. */
#define MAX_SESSIONS 268435456
/* So that jiffies times the clock's multiplier stay within 64 bits for as long as a machine runs. */
#define MAX_CLOCK_FACTOR 10000

struct run {
	struct common common;
	struct run_options options;
	struct ranges ports;
};

static __u32 parse_number(const char *text, const char *option, __u32 max)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || number < 1 || number > max)
		die_usage("%s %s: a number from 1 to %u would be accepted", option, text, max);
	return number;
}

static void add_internal(struct run_options *options, const char *text)
{
	struct fault fault;

	if (options->num_internal == MAX_INTERNAL)
		die_usage("--internal %s: at most %d prefixes can be given", text, MAX_INTERNAL);
	if (prefix_parse(text, "--internal", &options->internal[options->num_internal], &fault))
		die_words(&fault);
	options->num_internal++;
}

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;
	struct run_options *options = &run->options;
	struct fault fault;

	switch (key) {
	case 'p':
		if (options->ports)
			die_usage("-p %s: given twice; write one list, with commas", arg);
		if (ranges_parse(arg, &run->ports, &fault))
			die_words(&fault);
		options->ports = &run->ports;
		return 0;
	case KEY_INTERNAL:
		add_internal(options, arg);
		return 0;
	case KEY_SESSIONS:
		options->num_sessions = parse_number(arg, "--sessions", MAX_SESSIONS);
		return 0;
	case KEY_KEEP:
		options->keep = true;
		return 0;
	case KEY_CLOCK_FACTOR:
		options->clock_factor = parse_number(arg, "--clock-factor", MAX_CLOCK_FACTOR);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options_of_run[] = {
	{ "interface", 'e', "IFACE", 0, "The external interface", 0 },
	{ "ports", 'p', "RANGES", 0,
	  "Ports to masquerade with, such as 50000 or 40000-49999,52000; without it 1024-65535 less what the kernel "
	  "keeps for its own sockets",
	  0 },
	{ "internal", KEY_INTERNAL, "PREFIX", 0,
	  "Translate only what comes from here; may be repeated; without it everything that is forwarded", 0 },
	{ "sessions", KEY_SESSIONS, "N", 0, "Room for so many sessions (65536)", 0 },
	{ "keep", KEY_KEEP, NULL, 0, "Leave the data plane attached at the end; the next run takes it over", 0 },
	{ "clock-factor", KEY_CLOCK_FACTOR, "N", 0, "Time passes so many times faster, for tests", 0 },
	{},
};

static const struct command command = {
	.verb = "run",
	.doc = "Masquerade everything that is forwarded out of an interface behind its IPv4 address, in the "
	       "foreground, "
	       "until SIGINT or SIGTERM.",
	.options = options_of_run,
	.take = take,
};

int verb_run(int argc, char **argv)
{
	struct run run = {};
	struct instance instance;
	struct fault fault;

	/* -e is this verb's own, since it cannot be left out; but it is taken as everywhere */
	command_parse(&command, argc, argv, &run);
	if (!run.common.iface)
		die_usage("run: which interface? -e IFACE is needed");
	if (instance_name(run.common.iface, &instance, &fault))
		die_words(&fault);
	run.options.iface = run.common.iface;
	return daemon_run(&run.options);
}
