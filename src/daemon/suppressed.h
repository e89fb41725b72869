/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events that were not told because there were too many: their number is told by the next event of the same reason, and, if none
 * comes, taken from here.
 */
#ifndef BAUTA_SUPPRESSED_H
#define BAUTA_SUPPRESSED_H

#include "contract.h"
#include "fault.h"

/* Seconds without an event of a reason after which no next one is waited for. */
#define SUPPRESSED_QUIET_S 2

/* Maps the limits, NUM_LIMIT of them, for reading and writing. 0 or -errno. */
int suppressed_open(int limits_fd, struct limit **ret_limits, struct fault *fault);

/* Takes NULL. */
void suppressed_close(struct limit *limits);

/* How many events of a limit were suppressed, if it has been quiet for so long at `now_s` of CLOCK_MONOTONIC; then they are
 * taken, and nobody else will tell them.
 */
__u32 suppressed_take(struct limit *limit, __u32 now_s, __u32 quiet_s);

#endif
