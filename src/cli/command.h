/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of a verb, and how a verb ends. */
#ifndef BAUTA_COMMAND_H
#define BAUTA_COMMAND_H

#include <argp.h>
#include <stdbool.h>

#include "fault.h"

enum exit_status {
	STATUS_DONE,
	STATUS_FAILED,
	STATUS_USAGE,
	STATUS_FOUND, /* a check has found something */
};

/* The options that verbs share. What a verb collects begins with this. */
struct common {
	const char *iface; /* NULL: not given */
	bool json;
};

enum takes {
	TAKES_IFACE = 1,
	TAKES_JSON = 2,
};

struct command {
	const char *verb;
	const char *words; /* what follows the options, for the help */
	const char *doc;
	unsigned int takes;
	const struct argp_option *options; /* its own, or NULL */
	/* Takes an option of its own, or with ARGP_KEY_ARG a word; ARGP_ERR_UNKNOWN if it is none of its. May be NULL. */
	error_t (*take)(int key, char *arg, struct argp_state *state);
};

/* Parses the verb's arguments; argv[0] is the verb. `input` begins with a struct common. Returns only if all is well:
 * else one line on stderr and the exit status of a usage error, or the help and that of success.
 */
void command_parse(const struct command *command, int argc, char **argv, void *input);

/* One line on stderr, then the exit. */
_Noreturn void die_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die(const struct fault *fault);

/* The same for what was wrong with the words of a user. */
_Noreturn void die_words(const struct fault *fault);

/* The same for what settings_load() returned: what is wrong in a file is a usage error, as it is on the command line; that it
 * cannot be read is none.
 */
_Noreturn void die_settings(int err, const struct fault *fault);

#endif
