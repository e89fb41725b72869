/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway that a thread of a user-space program acts on. */
#include "platform.h"

#include <string.h>

#include "create.h"
#include "fragment.h"
#include "ident.h"

#define NUM_FRAGMENTED 16

struct fragmented {
	struct fragment_key key;
	struct fragment fragment;
};

__thread struct platform platform;
static __thread struct search search;
static __thread struct fragmented fragmented[NUM_FRAGMENTED];
static __thread unsigned int num_fragmented;
static __thread __u32 ident[NUM_IDENT];

struct search *platform_search(void)
{
	return &search;
}

__u32 *platform_ident(__u32 index)
{
	return index < NUM_IDENT ? &ident[index] : NULL;
}

bool platform_fragment_read(const struct fragment_key *key, struct fragment *ret_fragment)
{
	for (unsigned int i = 0; i < NUM_FRAGMENTED; i++)
		if (!memcmp(&fragmented[i].key, key, sizeof(*key))) {
			*ret_fragment = fragmented[i].fragment;
			return true;
		}
	return false;
}

void platform_fragment_write(const struct fragment_key *key, const struct fragment *fragment)
{
	struct fragmented *slot = &fragmented[num_fragmented++ % NUM_FRAGMENTED];

	slot->key = *key;
	slot->fragment = *fragment;
}
