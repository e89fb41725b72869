/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why something could not be done: one sentence for whoever asked for it. */
#include "fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fault_set(struct fault *fault, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return error > 0 ? -error : -EIO;
}

int fault_set_errno(struct fault *fault, int error, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	len = strlen(fault->text);
	snprintf(fault->text + len, sizeof(fault->text) - len, ": %s", strerror(error));
	return error > 0 ? -error : -EIO;
}

void fault_prefix(struct fault *fault, const char *format, ...)
{
	struct fault rest = *fault;
	va_list args;
	size_t len;

	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	len = strlen(fault->text);
	snprintf(fault->text + len, sizeof(fault->text) - len, "%s", rest.text);
}
