/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interfaces for tests, by iproute2. */
#include "wires.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void wires_enter(void)
{
	if (unshare(CLONE_NEWNET))
		fail_msg("cannot make a network namespace: %s", strerror(errno));
	wires_ip("link set lo up");
}

void wires_ip(const char *format, ...)
{
	char command[256] = "ip ";
	va_list args;

	va_start(args, format);
	vsnprintf(command + 3, sizeof(command) - 3, format, args);
	va_end(args);
	if (system(command)) /* NOLINT(bugprone-command-processor): the words are the test's own */
		fail_msg("`%s` failed", command);
}
