/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines on stderr. */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_SIZE 1024

static bool to_journal;

/* JOURNAL_STREAM is the device and inode of the journal's socket; a child whose stderr was redirected inherits the
 * variable too, so only the comparison tells (systemd.exec(5)).
 */
void log_open(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	to_journal = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
		     st.st_dev == device && st.st_ino == inode;
}

static void line(int priority, const char *format, va_list args)
{
	char text[LINE_SIZE];
	char prefix[8] = "";
	int len;

	len = vsnprintf(text, sizeof(text), format, args);
	if (len < 0)
		return;
	if (to_journal)
		snprintf(prefix, sizeof(prefix), "<%d>", priority);
	/* stderr is not buffered, but a single call is a single write only with a buffer of its own. */
	dprintf(STDERR_FILENO, "%sbauta: %s%s\n", prefix, text, len >= LINE_SIZE ? "..." : "");
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(LOG_ERR, format, args);
	va_end(args);
}

void log_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(LOG_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(LOG_INFO, format, args);
	va_end(args);
}
