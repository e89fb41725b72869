/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file: a setting a line, with the words of the options. */
#ifndef BAUTA_SETTINGS_FILE_H
#define BAUTA_SETTINGS_FILE_H

#include "fault.h"
#include "settings.h"

/* So large a file is none of ours. */
#define MAX_SETTINGS_FILE (1 << 20)

/* Takes all that a file sets into `settings`, of which nothing is given yet. The path has to last as long as they do. -EINVAL
 * or -ERANGE with file and line for what is wrong in it; another error if it cannot be read.
 */
int settings_file_read(const char *path, struct settings *settings, struct fault *fault);

/* What a file (NULL: none) and the command line say together, which wins, complete and free of contradictions. Errors as above.
 * Nothing is written on failure.
 */
int settings_load(const char *path, const struct settings *options, struct settings *ret_settings, struct fault *fault);

#endif
