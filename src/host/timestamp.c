/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing a moment. */
#include "timestamp.h"

#include <stdio.h>
#include <time.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

char *timestamp_format(__u64 age_ns, char *text)
{
	struct timespec now;
	struct tm parts;
	size_t len;
	__u64 ns;
	time_t s;

	clock_gettime(CLOCK_REALTIME, &now);
	ns = now.tv_sec * NS_PER_S + now.tv_nsec - age_ns;
	s = ns / NS_PER_S;
	gmtime_r(&s, &parts);
	len = strftime(text, TIMESTAMP_TEXT, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + len, TIMESTAMP_TEXT - len, ".%03uZ", (unsigned int)(ns % NS_PER_S / NS_PER_MS));
	return text;
}
