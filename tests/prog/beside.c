/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "beside.h"

#include <linux/if_ether.h>

#define NUM_SESSIONS 1024

struct gateway plain, mixed;
struct fast fast;

static struct platform plain_platform, mixed_platform;

static int open_both(void (*open)(struct gateway *gateway, __u32 l2_len, __u32 num_sessions))
{
	open(&plain, ETH_HLEN, NUM_SESSIONS);
	plain_platform = platform;
	open(&mixed, ETH_HLEN, NUM_SESSIONS);
	mixed_platform = platform;
	fast_open(&fast, &mixed, OUTSIDE);
	return 0;
}

int beside_open(void **state)
{
	(void)state;
	return open_both(gateway_open);
}

int beside_open_stopped(void **state)
{
	(void)state;
	return open_both(gateway_open_stopped);
}

int beside_close(void **state)
{
	(void)state;
	fast_close(&fast);
	gateway_close(&mixed);
	gateway_close(&plain);
	return 0;
}

/* Chance goes on: a test draws from it, whichever table it looks at. */
void beside_use(const struct gateway *which)
{
	__u64 chance = platform.random;

	platform = which == &plain ? plain_platform : mixed_platform;
	platform.random = chance;
}

void beside_reset(const char *ranges, bool fast_create)
{
	beside_use(&plain);
	gateway_reset(&plain, ranges);
	beside_use(&mixed);
	gateway_reset(&mixed, ranges);
	mixed.config.fast_create = fast_create;
	gateway_configure(&mixed);
	fast_new_generation(&fast);
}

void beside_check(void)
{
	beside_use(&plain);
	gateway_check(&plain);
	beside_use(&mixed);
	gateway_check(&mixed);
}
