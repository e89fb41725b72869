/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of an option that a verb does not take: the one that is nearest, or where all of them are listed. */
#include "bad_option.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

#define MAX_NAME 32
#define MAX_MISTAKES 2 /* letters that are wrong, missing or too many */

/* ---- the argument ----------------------------------------------------------------------------------------------- */

/* The option that this argument is, written out: NULL if it is none. */
static const struct argp_option *find(const struct argp_option *options, const char *argument)
{
	for (const struct argp_option *option = options; option->name; option++) {
		if (argument[0] == '-' && argument[1] == option->key && !argument[2])
			return option;
		if (strncmp(argument, "--", 2) == 0 && strcmp(argument + 2, option->name) == 0)
			return option;
	}
	return NULL;
}

/* argp tells only that an argument was wrong. It is the one before the next; but where several letters stand in one, that is
 * still the next.
 */
static const char *find_argument(const struct argp_option *options, const struct argp_state *state)
{
	const char *before = state->next > 1 ? state->argv[state->next - 1] : "";
	const struct argp_option *option = find(options, before);

	if (state->next < state->argc && (before[0] != '-' || (option && !option->arg)))
		return state->argv[state->next];
	return before;
}

/* "fast-path" of "--Fast_path=eth0": false if it has no such name, or none that an option could have. */
static bool read_name(const char *argument, char name[MAX_NAME])
{
	size_t len = strcspn(argument, "=");

	if (argument[0] != '-' || argument[1] != '-' || len <= 2 || len - 2 >= MAX_NAME)
		return false;
	memcpy(name, argument + 2, len - 2);
	name[len - 2] = '\0';
	for (char *at = name; *at; at++)
		*at = *at == '_' ? '-' : (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
	return true;
}

/* ---- what is near ----------------------------------------------------------------------------------------------- */

static unsigned int least(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int less = a < b ? a : b;

	return less < c ? less : c;
}

/* In how many letters two names differ (Levenshtein). */
static unsigned int count_mistakes(const char *name, const char *right)
{
	unsigned int row[MAX_NAME + 1];
	size_t len = strlen(right);

	if (len > MAX_NAME)
		return MAX_NAME;
	for (size_t i = 0; i <= len; i++)
		row[i] = i;
	for (; *name; name++) {
		unsigned int diagonal = row[0]++;

		for (size_t i = 1; i <= len; i++) {
			unsigned int above = row[i];

			row[i] = least(above + 1, row[i - 1] + 1, diagonal + (*name != right[i - 1]));
			diagonal = above;
		}
	}
	return row[len];
}

/* NULL: none is near. Of a short name more than half must be right. */
static const struct argp_option *find_nearest(const struct argp_option *options, const char *name)
{
	const struct argp_option *nearest = NULL;
	unsigned int fewest = MAX_MISTAKES + 1;

	for (const struct argp_option *option = options; option->name; option++) {
		unsigned int mistakes = count_mistakes(name, option->name);

		if (mistakes < fewest && 2 * mistakes < strlen(option->name)) {
			nearest = option;
			fewest = mistakes;
		}
	}
	return nearest;
}

/* "--external, --exclude, --expired": those that begin so. How many. */
static int list_beginning(const struct argp_option *options, const char *name, char *text, size_t size)
{
	size_t len = 0;
	int num = 0;

	for (const struct argp_option *option = options; option->name && len < size; option++)
		if (strncmp(option->name, name, strlen(name)) == 0)
			len += snprintf(text + len, size - len, "%s--%s", num++ ? ", " : "", option->name);
	return num;
}

/* ---- the line --------------------------------------------------------------------------------------------------- */

void bad_option_die(const char *verb, const struct argp_option *options, const struct argp_state *state)
{
	const char *argument = find_argument(options, state);
	const struct argp_option *option = find(options, argument);
	char name[MAX_NAME], several[512];

	if (option && option->arg)
		die_usage("%s: %s needs an argument: %s %s", verb, argument, argument, option->arg);
	if (!read_name(argument, name))
		die_usage("%s: \"%s\" is not understood; see bauta %s --help", verb, argument, verb);
	if (list_beginning(options, name, several, sizeof(several)) > 1)
		die_usage("%s: \"%s\" is not understood; several options begin so: %s", verb, argument, several);
	option = find_nearest(options, name);
	if (!option)
		die_usage("%s: \"%s\" is not understood; see bauta %s --help", verb, argument, verb);
	if (strchr(argument, '=') && !option->arg)
		die_usage("%s: \"%s\" is not understood; --%s takes no argument", verb, argument, option->name);
	die_usage("%s: \"%s\" is not understood; did you mean --%s%s%s? See bauta %s --help", verb, argument,
		  option->name, option->arg ? " " : "", option->arg ? option->arg : "", verb);
}
