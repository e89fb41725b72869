/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta: which verb is meant. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "command.h"
#include "verb.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} verbs[] = {
	{ "run", verb_run, "masquerade behind an interface, in the foreground" },
	{ "down", verb_down, "take away what a run has left at an interface" },
	{ "check", verb_check, "look for what is in the way of a gateway" },
	{ "show", verb_show, "status, sessions, mappings, ports, quotas, drops, fast-path or config" },
	{ "explain", verb_explain, "who owns a tuple, what a flow would get, and why flows failed" },
	{ "flush", verb_flush, "end sessions" },
	{ "watch", verb_watch, "print events as they happen" },
	{ "fsck", verb_fsck, "check what must hold in the table" },
};

#define NUM_VERB (sizeof(verbs) / sizeof(verbs[0]))

static void print_help(void)
{
	printf("Usage: bauta [VERB] [OPTION...] [WORD...]\n"
	       "A masquerading NAT gateway that shares its ports with the machine it runs on.\n\n");
	for (size_t i = 0; i < NUM_VERB; i++)
		printf("  %-9s %s\n", verbs[i].name, verbs[i].summary);
	printf("\nWithout a verb: show status. bauta VERB --help says more; so does bauta(8).\n"
	       "Exit status: 0 done, 1 failed, 2 usage, 3 a check has found something.\n");
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < NUM_VERB; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	die_usage("\"%s\" is not a verb; run, down, check, show, explain, flush, watch and fsck are", name);
}

/* What could not be written is a failure; that the reader went away is none that anybody wants to hear of. */
static int close_output(int status)
{
	if (!ferror(stdout) && fflush(stdout) == 0)
		return status;
	if (errno != EPIPE)
		fprintf(stderr, "bauta: cannot write the output: %s\n", strerror(errno));
	return status ? status : STATUS_FAILED;
}

static int ignore_message(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int main(int argc, char **argv)
{
	/* every failure is told in a line of our own */
	libbpf_set_print(ignore_message);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		print_help();
		return close_output(STATUS_DONE);
	}
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		printf("bauta %s\n", BAUTA_VERSION);
		return close_output(STATUS_DONE);
	}
	if (argc > 1 && argv[1][0] != '-')
		return close_output(find_verb(argv[1])->run(argc - 1, argv + 1));
	argv[0] = "show";
	return close_output(verb_show(argc, argv));
}
