/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

__u64 chance_seed(void)
{
	const char *text = getenv("BAUTA_SEED");
	struct timespec now;
	__u64 seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = text ? strtoull(text, NULL, 0) : (__u64)now.tv_sec * 1000000007 + now.tv_nsec;
	printf("# BAUTA_SEED=%llu\n", seed);
	fflush(stdout);
	return seed | 1;
}

static bool is_emulated(void)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	bool emulated = false;
	char line[256];

	while (file && !emulated && fgets(line, sizeof(line), file))
		emulated = strstr(line, "QEMU") != NULL;
	if (file)
		fclose(file);
	return emulated;
}

int chance_number(int usual, int emulated)
{
	const char *text = getenv("BAUTA_PACKETS");
	int num = text ? atoi(text) : is_emulated() ? emulated : usual;

	printf("# %d packets\n", num);
	return num;
}
