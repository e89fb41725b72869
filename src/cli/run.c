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
#include "words.h"

enum {
	KEY_INTERNAL = 256,
	KEY_SESSIONS,
	KEY_KEEP,
	KEY_CLOCK_FACTOR,
	KEY_EXTERNAL,
	KEY_SPILL,
	KEY_ON_FULL,
	KEY_BORROW,
	KEY_REST,
	KEY_ICMP,
	KEY_MAX_PORTS,
	KEY_MAX_SESSIONS,
	KEY_MAX_RATE,
	NUM_KEY,
};

/* 2^28: then the index of an entry needs all its bits. */
#define MAX_SESSIONS 268435456
/* So that jiffies times the clock's multiplier stay within 64 bits for as long as a machine runs. */
#define MAX_CLOCK_FACTOR 10000
/* A day: longer, and it would be a quota of its own kind. */
#define MAX_REST_S 86400
#define MAX_OF_HOST MAX_SESSIONS

struct run {
	struct common common;
	struct run_options options;
	struct ranges ports;
	bool given[NUM_KEY - KEY_INTERNAL]; /* the policies that can be given once */
};

static __u32 parse_number(const char *text, const char *option, __u32 min, __u32 max)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || number < min || number > max)
		die_usage("%s %s: a number from %u to %u would be accepted", option, text, min, max);
	return number;
}

/* A quota of nothing would refuse everybody: it is a slip, or meant for none. */
static __u32 parse_quota(const char *text, const char *option)
{
	if (strcmp(text, "0") == 0)
		die_usage("%s 0: a number from 1 to %u would be accepted; leave it out for no limit", option,
			  MAX_OF_HOST);
	return parse_number(text, option, 1, MAX_OF_HOST);
}

/* The number of a word in a list. */
static __u8 parse_word(const char *text, const char *option, const char *const *word, __u8 num, const char *accepted)
{
	for (__u8 i = 0; i < num; i++)
		if (strcmp(text, word[i]) == 0)
			return i;
	die_usage("%s \"%s\": %s would be accepted", option, text, accepted);
}

/* Of two different wishes one would be lost without a word. */
static void once(struct run *run, int key, const char *option)
{
	if (run->given[key - KEY_INTERNAL])
		die_usage("%s is given twice; give it once", option);
	run->given[key - KEY_INTERNAL] = true;
}

static void add_external(struct run_options *options, const char *text)
{
	struct fault fault;

	if (external_items_add(&options->external, text, &fault))
		die_words(&fault);
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

/* How the pool is shared, and what an internal host may have of it. */
static error_t take_policy(int key, char *arg, struct run *run)
{
	struct run_options *options = &run->options;

	switch (key) {
	case KEY_EXTERNAL:
		add_external(options, arg);
		return 0;
	case KEY_SPILL:
		options->spill = true;
		return 0;
	case KEY_ON_FULL:
		once(run, key, "--on-full");
		options->on_full = parse_word(arg, "--on-full", on_full_name, NUM_ON_FULL, "share or refuse");
		return 0;
	case KEY_BORROW:
		options->borrow = true;
		return 0;
	case KEY_REST:
		once(run, key, "--rest");
		options->rest_s = parse_number(arg, "--rest", 0, MAX_REST_S);
		return 0;
	case KEY_ICMP:
		once(run, key, "--icmp");
		options->icmp = parse_word(arg, "--icmp", icmp_name, NUM_ICMP_POLICY,
					   "host-unreachable, admin-prohibited or none");
		return 0;
	case KEY_MAX_PORTS:
		once(run, key, "--max-ports");
		options->max_ports = parse_quota(arg, "--max-ports");
		return 0;
	case KEY_MAX_SESSIONS:
		once(run, key, "--max-sessions");
		options->max_sessions = parse_quota(arg, "--max-sessions");
		return 0;
	case KEY_MAX_RATE:
		once(run, key, "--max-rate");
		options->max_new_per_s = parse_quota(arg, "--max-rate");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Options that are each right, and wrong together. */
static void check_together(const struct run *run)
{
	const struct run_options *options = &run->options;

	if (options->borrow && run->given[KEY_ON_FULL - KEY_INTERNAL] && options->on_full == ON_FULL_SHARE)
		die_usage("--borrow and --on-full share contradict each other: a borrowed port is shared with nobody "
			  "of the host; leave --on-full out, or give --on-full refuse");
	if (options->spill && external_items_count(&options->external) < 2)
		die_usage("--spill: there is nowhere to spill to from a single external address; give several with "
			  "--external, or leave --spill out");
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
		options->num_sessions = parse_number(arg, "--sessions", 1, MAX_SESSIONS);
		return 0;
	case KEY_KEEP:
		options->keep = true;
		return 0;
	case KEY_CLOCK_FACTOR:
		options->clock_factor = parse_number(arg, "--clock-factor", 1, MAX_CLOCK_FACTOR);
		return 0;
	default:
		return take_policy(key, arg, run);
	}
}

static const struct argp_option options_of_run[] = {
	{ "interface", 'e', "IFACE", 0, "The external interface", 0 },
	{ "ports", 'p', "RANGES", 0,
	  "Ports to masquerade with, such as 50000 or 40000-49999,52000; without it 1024-65535 less what the kernel "
	  "keeps for its own sockets",
	  0 },
	{ "external", KEY_EXTERNAL, "ADDRESS|PREFIX", 0,
	  "Masquerade as this address of the machine, or as all of this prefix; may be repeated, up to 256 addresses; "
	  "without it the first address of the interface",
	  0 },
	{ "spill", KEY_SPILL, NULL, 0,
	  "An internal host whose external address is full gets ports of the others, before any are shared", 0 },
	{ "on-full", KEY_ON_FULL, "share|refuse", 0,
	  "When every port has a mapping: share ports toward different remotes (the default), or refuse", 0 },
	{ "borrow", KEY_BORROW, NULL, 0,
	  "No port is used by the machine itself and by the gateway at one time, whatever the remote", 0 },
	{ "rest", KEY_REST, "SECONDS", 0,
	  "A port that is freed is given to nobody else for so long (0; RFC 6888 asks for 120 where others can tell)",
	  0 },
	{ "icmp", KEY_ICMP, "host-unreachable|admin-prohibited|none", 0,
	  "What an internal host is told when it is refused (host-unreachable)", 0 },
	{ "max-ports", KEY_MAX_PORTS, "N", 0, "Each internal host may have so many ports", 0 },
	{ "max-sessions", KEY_MAX_SESSIONS, "N", 0, "Each internal host may have so many sessions", 0 },
	{ "max-rate", KEY_MAX_RATE, "N", 0, "Each internal host may begin so many sessions a second", 0 },
	{ "internal", KEY_INTERNAL, "PREFIX", 0,
	  "Translate only what comes from here; may be repeated; without it everything that is forwarded", 0 },
	{ "sessions", KEY_SESSIONS, "N", 0, "Room for so many sessions (65536)", 0 },
	{ "keep", KEY_KEEP, NULL, 0, "Leave the data plane attached at the end; the next run takes it over", 0 },
	{ "clock-factor", KEY_CLOCK_FACTOR, "N", 0, "Time passes so many times faster, for tests", 0 },
	{},
};

static const struct command command = {
	.verb = "run",
	.doc = "Masquerade everything that is forwarded out of an interface behind the machine's own IPv4 addresses, "
	       "in the "
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
	check_together(&run);
	run.options.iface = run.common.iface;
	return daemon_run(&run.options);
}
