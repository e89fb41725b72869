/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's jiffies, which only the kernel can tell. */
#ifndef BAUTA_JIFFIES_H
#define BAUTA_JIFFIES_H

#include <linux/types.h>

#include "fault.h"

/* jiffies64, and CLOCK_MONOTONIC at the same moment. Runs a BPF program, so it is also the first to know when this kernel
 * lets us run none.
 */
int jiffies_read(__u64 *ret_jiffies, __u64 *ret_mono_ns, struct fault *fault);

#endif
