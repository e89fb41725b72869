/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of a verb, and how a verb ends.
 *
 * argp parses and writes the help; but it speaks in two lines and without naming what would be accepted, so its own
 * messages are turned off, and the one line is made here.
 */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bad_option.h"

#define KEY_HELP 'h'

void die_usage(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "bauta: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(STATUS_USAGE);
}

void die_words(const struct fault *fault)
{
	die_usage("%s", fault->text);
}

void die_settings(int err, const struct fault *fault)
{
	if (err == -EINVAL || err == -ERANGE)
		die_words(fault);
	die(fault);
}

void die(const struct fault *fault)
{
	fprintf(stderr, "bauta: %s\n", fault->text);
	exit(STATUS_FAILED);
}

/* ---- options that verbs share ---------------------------------------------------------------------------------- */

static const struct argp_option help_option = {
	"help", KEY_HELP, NULL, 0, "Say what this verb does", -1,
};
static const struct argp_option iface_option = {
	"interface", 'e', "IFACE", 0, "The external interface; may be left out where there is only one instance", 0,
};
static const struct argp_option json_option = {
	"json", 'j', NULL, 0, "Print JSON", 0,
};

#define MAX_OPTIONS 48

/* What the parser needs while it runs. */
struct parse {
	const struct command *command;
	const struct argp *argp;
	struct argp_option option[MAX_OPTIONS + 1];
};

static size_t collect_options(const struct command *command, struct argp_option *option)
{
	size_t num = 0;

	for (const struct argp_option *own = command->options; own && own->name; own++)
		option[num++] = *own;
	if (command->takes & TAKES_IFACE)
		option[num++] = iface_option;
	if (command->takes & TAKES_JSON)
		option[num++] = json_option;
	option[num++] = help_option;
	return num;
}

/* ---- parsing ---------------------------------------------------------------------------------------------------- */

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct common *common = state->input;
	const struct parse *parse = state->hook;
	error_t error = ARGP_ERR_UNKNOWN;
	char name[64];

	if (parse->command->take)
		error = parse->command->take(key, arg, state);
	if (error != ARGP_ERR_UNKNOWN)
		return error;
	switch (key) {
	case 'e':
		common->iface = arg;
		return 0;
	case 'j':
		common->json = true;
		return 0;
	case KEY_HELP:
		snprintf(name, sizeof(name), "bauta %s", parse->command->verb);
		argp_help(parse->argp, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK & ~ARGP_HELP_BUG_ADDR, name);
		exit(fflush(stdout) ? STATUS_FAILED : STATUS_DONE);
	case ARGP_KEY_ARG:
		die_usage("%s: \"%s\" is one word too many; see bauta %s --help", parse->command->verb, arg,
			  parse->command->verb);
	case ARGP_KEY_ERROR:
		bad_option_die(parse->command->verb, parse->option, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* argp has no other way to hand something to a parser besides its input. */
static const struct parse *current;

static error_t take_current(int key, char *arg, struct argp_state *state)
{
	state->hook = (void *)current;
	return take(key, arg, state);
}

void command_parse(const struct command *command, int argc, char **argv, void *input)
{
	struct parse parse = { .command = command };
	struct argp argp = {
		.options = parse.option,
		.parser = take_current,
		.args_doc = command->words,
		.doc = command->doc,
	};
	error_t error;

	/* no note about arguments of long options in each help */
	setenv("ARGP_HELP_FMT", "no-dup-args-note", 0);
	collect_options(command, parse.option);
	parse.argp = &argp;
	current = &parse;
	error = argp_parse(&argp, argc, argv, ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_NO_EXIT, NULL, input);
	current = NULL;
	if (error)
		die_usage("%s: %s", command->verb, strerror(error));
}
