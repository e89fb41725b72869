/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TAP on standard output. */
#include "tap.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int num_points;
static int num_failed;

__attribute__((format(printf, 2, 0))) static void print_point(bool passed, const char *format, va_list args)
{
	num_points++;
	if (!passed)
		num_failed++;
	printf("%sok %d - ", passed ? "" : "not ", num_points);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
}

bool tap_ok(bool passed, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_point(passed, format, args);
	va_end(args);
	return passed;
}

bool tap_equal(long long is, long long expected, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_point(is == expected, format, args);
	va_end(args);
	if (is != expected)
		tap_note("is %lld (0x%llx), expected %lld (0x%llx)", is, is, expected, expected);
	return is == expected;
}

void tap_skip(const char *name, const char *reason)
{
	num_points++;
	printf("ok %d - %s # SKIP %s\n", num_points, name, reason);
	fflush(stdout);
}

void tap_note(const char *format, ...)
{
	va_list args;

	fputs("# ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void tap_die(const char *format, ...)
{
	int error = errno;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (error)
		tap_ok(false, "%s: %s", text, strerror(error));
	else
		tap_ok(false, "%s", text);
	exit(tap_finish());
}

int tap_finish(void)
{
	printf("1..%d\n", num_points);
	fflush(stdout);
	return num_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
