/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The CPU time of ksoftirqd, which takes over when there are more packets than an interrupt may deal with. */
#ifndef BENCH_SOFTIRQD_H
#define BENCH_SOFTIRQD_H

#include <linux/types.h>

/* The thread of this CPU, for softirqd_read; -1 where it cannot be seen: in another PID namespace. */
int softirqd_open(int cpu);

/* Nanoseconds, ever; 0 of -1. */
__u64 softirqd_read(int fd);

#endif
