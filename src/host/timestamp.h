/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A moment in the past, as text. */
#ifndef BAUTA_TIMESTAMP_H
#define BAUTA_TIMESTAMP_H

#include <linux/types.h>

#define TIMESTAMP_TEXT 40

/* The time of day so many nanoseconds ago: ISO 8601 in UTC, to the millisecond. `text` has TIMESTAMP_TEXT bytes; returns it. */
char *timestamp_format(__u64 age_ns, char *text);

#endif
