/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway that a thread of a user-space program acts on. */
#include "platform.h"

#include "create.h"

__thread struct platform platform;
static __thread struct search search;

struct search *platform_search(void)
{
	return &search;
}
