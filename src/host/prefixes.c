/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of addresses, written as prefixes. */
#include "prefixes.h"

#include <errno.h>
#include <stdlib.h>

#include "addr.h"
#include "endpoint.h"
#include "platform.h"

static __u64 count_addrs(const struct prefix *prefix)
{
	return (__u64)~be32_to_cpu(prefix->mask) + 1;
}

static bool overlap(const struct prefix *one, const struct prefix *other)
{
	return addr_is_in(one, other->addr) || addr_is_in(other, one->addr);
}

/* ---- what a user lists ------------------------------------------------------------------------------------------ */

/* Addresses of the kinds that packets cannot come from lie together: 0/8, 127/8, and all from 224/4 on. A prefix that is
 * no larger than MAX_EXTERNAL is in one of them, or beside.
 */
static bool names_no_host(__be32 addr)
{
	return addr_is_martian(addr) || addr_is_multicast(addr);
}

int external_items_add(struct external_items *items, const char *text, const char *what, struct fault *fault)
{
	char other[PREFIX_TEXT];
	struct prefix prefix;
	__u64 count;
	int err;

	if (items->num == MAX_EXTERNAL_ITEMS)
		return fault_set(fault, EINVAL, "%s %s: at most %d addresses or prefixes can be given", what, text,
				 MAX_EXTERNAL_ITEMS);
	err = prefix_parse(text, what, &prefix, fault);
	if (err)
		return err;
	count = count_addrs(&prefix) + external_items_count(items);
	if (count > MAX_EXTERNAL)
		return fault_set(fault, EINVAL, "%s %s: that makes %llu addresses; at most %d in all would be accepted",
				 what, text, (unsigned long long)count, MAX_EXTERNAL);
	if (names_no_host(prefix.addr))
		return fault_set(fault, EINVAL,
				 "%s %s: no machine can be known by such an address; one that remotes can "
				 "answer to would be accepted",
				 what, text);
	for (__u32 i = 0; i < items->num; i++)
		if (overlap(&items->item[i], &prefix))
			return fault_set(fault, EINVAL, "%s %s: overlaps %s, which is there already; each address once",
					 what, text, prefix_format(items->item[i], other));
	items->item[items->num++] = prefix;
	return 0;
}

__u32 external_items_count(const struct external_items *items)
{
	__u64 count = 0;

	for (__u32 i = 0; i < items->num; i++)
		count += count_addrs(&items->item[i]);
	return count;
}

__u32 external_items_list(const struct external_items *items, __be32 ret_addr[MAX_EXTERNAL])
{
	__u32 num = 0;

	for (__u32 i = 0; i < items->num; i++) {
		__u32 first = be32_to_cpu(items->item[i].addr);

		for (__u32 n = 0; n < count_addrs(&items->item[i]) && num < MAX_EXTERNAL; n++)
			ret_addr[num++] = cpu_to_be32(first + n);
	}
	return num;
}

const struct prefix *external_items_find(const struct external_items *items, __be32 addr)
{
	for (__u32 i = 0; i < items->num; i++)
		if (addr_is_in(&items->item[i], addr))
			return &items->item[i];
	return NULL;
}

/* ---- covering --------------------------------------------------------------------------------------------------- */

static int compare(const void *one, const void *other)
{
	__u32 a = be32_to_cpu(*(const __be32 *)one), b = be32_to_cpu(*(const __be32 *)other);

	return (a > b) - (a < b);
}

/* How many of the sorted addresses make up the largest whole prefix that begins with the first of them. */
static __u32 take_block(const __be32 *addr, __u32 num)
{
	__u32 first = be32_to_cpu(addr[0]), block = 1;

	while (block * 2 <= num && !(first & (block * 2 - 1)) &&
	       be32_to_cpu(addr[block * 2 - 1]) == first + block * 2 - 1)
		block *= 2;
	return block;
}

__u32 prefixes_cover(__be32 *addr, __u32 *num, struct prefix *ret_prefix, __u32 max)
{
	__u32 different = 0, prefixes = 0;

	qsort(addr, *num, sizeof(*addr), compare);
	for (__u32 i = 0; i < *num; i++)
		if (!different || addr[different - 1] != addr[i])
			addr[different++] = addr[i];
	*num = different;
	for (__u32 i = 0; i < different && prefixes < max;) {
		__u32 block = take_block(&addr[i], different - i);

		ret_prefix[prefixes++] = (struct prefix){ .addr = addr[i], .mask = cpu_to_be32(~(block - 1)) };
		i += block;
	}
	return prefixes;
}
