/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of an option that a verb does not take. */
#ifndef BAUTA_BAD_OPTION_H
#define BAUTA_BAD_OPTION_H

#include <argp.h>

/* One line on stderr about the argument where argp gave up, then the exit. `options` are the verb's. */
_Noreturn void bad_option_die(const char *verb, const struct argp_option *options, const struct argp_state *state);

#endif
