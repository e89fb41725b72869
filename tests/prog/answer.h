/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a refused sender gets, octet by octet. */
#ifndef TEST_PROG_ANSWER_H
#define TEST_PROG_ANSWER_H

#include "../unit/frame.h"

/* Whether it is an IPv4 packet of which checksums can be spoken of. */
bool frame_is_whole(struct frame *frame);

/* Fails unless `answer` is an ICMP unreachable message of this code from `src` to the sender of `sent`, with all checksums
 * right, that quotes as much of what was sent as it should, octet by octet.
 */
void check_error(struct frame *sent, struct frame *answer, __be32 src, __u8 code);

/* Fails unless `answer` is the RST by which a host answers the segment `sent` of a connection that it does not have. */
void check_reset(struct frame *sent, struct frame *answer);

#endif
