/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking the ports of the ranges out of the pool that the kernel gives to programs by itself. */
#include "check_fix.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sysctl.h"

int ephemeral_read(struct ephemeral *ret_ephemeral, struct fault *fault)
{
	struct ephemeral ephemeral = {};
	struct ranges range;
	unsigned int port = 0;
	int error = sysctl_read_ephemeral(&range, fault);

	if (!error)
		error = sysctl_read_reserved(&ephemeral.reserved, fault);
	if (error)
		return error;
	ranges_next(&range, &port, &ephemeral.first, &ephemeral.last);
	*ret_ephemeral = ephemeral;
	return 0;
}

void ephemeral_pool(const struct ephemeral *ephemeral, struct ranges *ret_pool)
{
	memset(ret_pool, 0, sizeof(*ret_pool));
	ranges_add(ret_pool, ephemeral->first, ephemeral->last);
	ranges_subtract(ret_pool, &ephemeral->reserved);
}

/* How many ports from `from` on, toward `step`, nobody would get anyhow: 0 if none of them is one of `common`. */
static unsigned int count_cut(unsigned int from, int step, unsigned int size, const struct ranges *pool,
			      const struct ranges *common)
{
	unsigned int num = 0;
	bool ours = false;

	for (unsigned int port = from; num < size && !ranges_contain(pool, port); port += step) {
		ours = ours || ranges_contain(common, port);
		num++;
	}
	return ours ? num : 0;
}

/* Cuts off the ends, as far as our ports lie there. The kernel wants one end odd and the other even (it deals out the two
 * kinds separately); so if cutting has spoilt that, one port more goes, at an end that was cut.
 */
static void cut_ends(struct ephemeral *ephemeral, const struct ranges *pool, const struct ranges *common)
{
	unsigned int size = ephemeral->last - ephemeral->first;
	unsigned int low = count_cut(ephemeral->first, 1, size, pool, common);
	unsigned int high = count_cut(ephemeral->last, -1, size - low, pool, common);
	bool alike = (ephemeral->first + low) % 2 == (ephemeral->last - high) % 2;

	if (high && alike)
		high++;
	else if (low && alike)
		low++;
	ephemeral->first += low;
	ephemeral->last -= high;
}

int ephemeral_plan(const struct ephemeral *old, const struct ranges *ports, struct ephemeral *ret_new,
		   struct fault *fault)
{
	struct ranges pool, common = *ports, inside = {};
	struct ephemeral new = *old;
	unsigned int port = 0, left;
	__u16 first, last;

	ephemeral_pool(old, &pool);
	ranges_intersect(&common, &pool);
	if (!ranges_count(&common)) {
		*ret_new = new;
		return 0;
	}
	ranges_subtract(&pool, ports);
	cut_ends(&new, &pool, &common);
	ranges_add(&inside, new.first, new.last);
	ranges_intersect(&inside, &common);
	while (ranges_next(&inside, &port, &first, &last))
		ranges_add(&new.reserved, first, last);

	ephemeral_pool(&new, &pool);
	left = ranges_count(&pool);
	if (left < MIN_PROGRAM_PORTS)
		return fault_set(fault, ERANGE,
				 "cannot take the ranges out of ip_local_port_range %u-%u: only %u ports would be left "
				 "to programs, at least %u would be accepted; give other ranges, or widen "
				 "ip_local_port_range first",
				 old->first, old->last, left, MIN_PROGRAM_PORTS);
	*ret_new = new;
	return 0;
}

bool ephemeral_same_range(const struct ephemeral *old, const struct ephemeral *new)
{
	return old->first == new->first && old->last == new->last;
}

bool ephemeral_same_reserved(const struct ephemeral *old, const struct ephemeral *new)
{
	return memcmp(&old->reserved, &new->reserved, sizeof(old->reserved)) == 0;
}

/* The list may have been written in part. */
static int restore_reserved(const struct ephemeral *old, struct fault *fault)
{
	struct ranges now;

	if (!sysctl_read_reserved(&now, fault) && memcmp(&now, &old->reserved, sizeof(now)) == 0)
		return 0;
	return sysctl_write_reserved(&old->reserved, fault);
}

/* Adds to what is said already. */
static void __attribute__((format(printf, 2, 3))) say_more(struct fault *fault, const char *format, ...)
{
	size_t len = strlen(fault->text);
	va_list args;

	va_start(args, format);
	vsnprintf(fault->text + len, sizeof(fault->text) - len, format, args);
	va_end(args);
}

int ephemeral_write(const struct ephemeral *old, const struct ephemeral *new, struct fault *fault)
{
	bool cut = !ephemeral_same_range(old, new);
	struct fault undo;
	int error = 0;

	if (cut)
		error = sysctl_write_ephemeral(new->first, new->last, fault);
	if (error || ephemeral_same_reserved(old, new))
		return error;
	error = sysctl_write_reserved(&new->reserved, fault);
	if (!error)
		return 0;
	if (restore_reserved(old, &undo))
		say_more(fault, "; and ip_local_reserved_ports may hold a part of the new list: %.120s", undo.text);
	else
		say_more(fault, "; ip_local_reserved_ports is as before");
	if (cut && sysctl_write_ephemeral(old->first, old->last, &undo))
		say_more(fault, "; and ip_local_port_range stays %u %u: %.120s", new->first, new->last, undo.text);
	else if (cut)
		say_more(fault, "; ip_local_port_range is %u %u as before", old->first, old->last);
	return error;
}
