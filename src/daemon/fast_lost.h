/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counting frames that the fast path has sent and no driver took. */
#ifndef BAUTA_FAST_LOST_H
#define BAUTA_FAST_LOST_H

#include "fast_hook.h"

/* Begins to count for the loaded XDP program, in the place of what an earlier run has left. */
int fast_lost_start(const struct fast_hooks *hooks, struct fault *fault);

#endif
