/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chance in tests: a seed that is printed, so that what happened can happen again. */
#ifndef TEST_PROG_CHANCE_H
#define TEST_PROG_CHANCE_H

#include "platform.h"

/* For platform.random: BAUTA_SEED, or of the time; prints it. */
__u64 chance_seed(void);

/* How many packets a test shall take: BAUTA_PACKETS, or `usual`, or, where the processor is emulated, `emulated`; prints it. */
int chance_number(int usual, int emulated);

static inline __u32 below(__u32 limit)
{
	return platform_random() % limit;
}

#endif
