/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "suppressed.h"

#include <errno.h>
#include <sys/mman.h>

#include "platform.h"

#define LIMITS_SIZE (NUM_LIMIT * sizeof(struct limit))

int suppressed_open(int limits_fd, struct limit **ret_limits, struct fault *fault)
{
	void *limits = mmap(NULL, LIMITS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, limits_fd, 0);

	if (limits == MAP_FAILED)
		return fault_set_errno(fault, errno, "cannot map the limits of events");
	*ret_limits = limits;
	return 0;
}

void suppressed_close(struct limit *limits)
{
	if (limits)
		munmap(limits, LIMITS_SIZE);
}

/* A hook that takes them at the same moment tells them itself: the exchange decides. A hook may be a second ahead of us. */
__u32 suppressed_take(struct limit *limit, __u32 now_s, __u32 quiet_s)
{
	__s32 quiet = now_s - READ_ONCE(limit->second);

	if (!READ_ONCE(limit->suppressed) || quiet < (__s32)quiet_s)
		return 0;
	return platform_xchg(&limit->suppressed, 0);
}
